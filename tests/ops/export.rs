//! `users export`: where it writes, and whom it does not know.

use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use super::desk::Desk;

#[tokio::test]
async fn a_user_who_is_not_known_is_not_found() {
    let desk = Desk::with_users(1).await;
    desk.run("users export nobody")
        .await
        .failed(16, "user nobody has no connection");
    // One who was announced and never connected is known.
    desk.execute("INSERT INTO polar_sync.platform_user (user_id, created_at) VALUES ('early', polar_sync.now())")
        .await;
    let early = desk.run("users export early").await;
    early.told(r#""type":"user","user_id":"early""#);
    early.told(r#""connection":0"#);
}

#[tokio::test]
async fn a_file_is_for_its_owner_alone_and_overwrites_nothing() {
    let desk = Desk::with_users(1).await;
    let name = format!("polar-sync-export-{}", uuid::Uuid::new_v4().simple());
    let folder = std::env::temp_dir().join(name);
    std::fs::create_dir(&folder).unwrap();
    let path = folder.join("user_001.jsonl");
    let line = format!("users export user_001 --output {}", path.display());
    let said = desk.run(&line).await;
    assert_eq!((said.code, said.stdout.as_str()), (0, ""), "{said:?}");
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let written = std::fs::read_to_string(&path).unwrap();
    let last: Value = serde_json::from_str(written.lines().last().unwrap()).unwrap();
    assert_eq!(last["type"], "end");
    assert_eq!(last["counts"]["connection"], 1);
    desk.run(&line)
        .await
        .failed(17, "an export overwrites nothing");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), written);
    let nowhere = format!(
        "users export user_001 --output {}/no/file",
        folder.display()
    );
    desk.run(&nowhere).await.failed(17, "a folder that exists");
    std::fs::remove_dir_all(&folder).unwrap();
}
