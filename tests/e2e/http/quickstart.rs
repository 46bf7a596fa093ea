//! The four `curl` lines that people begin with, literally.

use std::{process::Stdio, time::Duration};

use tokio::process::Command;
use url::Url;

use crate::world::{FIRST_ACCOUNT, World};

/// The lines as they are printed in a quickstart of the field; only the port differs, since a test takes a free one.
const LINES: [&str; 4] = [
    r#"curl "http://localhost:8000/api/v1/oauth/polar/authorize?user_id=user_001&redirect_uri=http://localhost:3000/callback" \
  -H "X-Open-Wearables-API-Key: your_key""#,
    r#"curl -X POST http://localhost:8000/api/v1/providers/polar/users/user_001/sync \
  -H "X-Open-Wearables-API-Key: your_key""#,
    r#"curl http://localhost:8000/api/v1/users/user_001/events/workouts \
  -H "X-Open-Wearables-API-Key: your_key""#,
    r#"curl -X POST "http://localhost:8000/api/v1/providers/polar/users/user_001/sync?samples=true&zones=true&route=true" \
  -H "X-Open-Wearables-API-Key: your_key""#,
];

async fn shell(line: &str, port: u16) -> serde_json::Value {
    let line = line.replace("localhost:8000", &format!("localhost:{port}"));
    let line = line.replacen(
        "curl",
        "curl --fail-with-body --silent --show-error --max-time 60",
        1,
    );
    let output = Command::new("sh")
        .args(["-c", &line])
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{line}: {out} {err}");
    serde_json::from_str(&out).unwrap()
}

#[tokio::test]
async fn the_four_lines_work_in_order() {
    let mut world = World::start(1, "small", &[]).await;
    let api = world.spawn_api("all").await;
    let port = api.base.port().unwrap();

    let authorization = shell(LINES[0], port).await;
    let page: Url = authorization["authorization_url"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let account = FIRST_ACCOUNT.to_string();
    let back = world
        .sim
        .redirect(page, &[("account", &account), ("decision", "allow")])
        .await;
    let target = api.come_back(&back).await;
    assert_eq!(
        target.headers()["location"],
        "http://localhost:3000/callback?user_id=user_001&provider=polar&status=connected"
    );

    let sync = shell(LINES[1], port).await;
    assert_eq!(
        (&sync["success"], &sync["async"]),
        (&true.into(), &true.into())
    );
    world.until_in_step().await;

    let workouts = shell(LINES[2], port).await;
    let stored = world
        .number("SELECT count(*) FROM api_v1.workouts WHERE start_at > polar_sync.now() - interval '30 days'")
        .await;
    assert_eq!(
        workouts["data"].as_array().unwrap().len(),
        usize::try_from(stored).unwrap()
    );
    assert!(stored > 0);
    assert_eq!(workouts["data"][0]["source"]["provider"], "polar");

    let full = shell(LINES[3], port).await;
    let path = format!(
        "/api/v1/users/user_001/sync/runs/{}",
        full["task_id"].as_str().unwrap()
    );
    tokio::time::timeout(Duration::from_mins(1), async {
        while api.get(&path).await.1["state"] != "done" {}
    })
    .await
    .unwrap();
    world.assert_honest().await;
}
