//! Postgres over TLS, as its URL says.

use std::fs;

use polar_sync::ops::servers::{DATABASE, Durability, Postgres, TemporaryFolder};

use super::{Said, authority::Files, free_port, polar_sync};

async fn migrate(url: &str) -> Said {
    polar_sync("migrate", &[("DATABASE_URL", url)]).await
}

#[track_caller]
fn is_unreachable(said: &Said, why: &str) {
    assert_eq!(said.code, Some(11), "{said:?}");
    assert!(
        said.stderr.contains("Postgres cannot be reached"),
        "{said:?}"
    );
    assert!(said.stderr.contains(why), "{said:?}");
}

#[tokio::test]
async fn a_private_authority_is_trusted_and_another_is_not() {
    let folder = TemporaryFolder::create().await.unwrap();
    // Makes the files of the server, and shows as whom it runs.
    let first = Postgres::start(folder.path(), Durability::Fast)
        .await
        .unwrap();
    first.stop().await.unwrap();
    let files = Files::make(&folder.path().join("postgres"));
    let port = free_port();
    let settings = [
        "ssl=on".to_owned(),
        format!("ssl_cert_file={}", files.certificate.display()),
        format!("ssl_key_file={}", files.key.display()),
        "listen_addresses=localhost".to_owned(),
        format!("port={port}"),
        "log_connections=on".to_owned(),
    ];
    let server = Postgres::start_with(folder.path(), Durability::Fast, &settings).await;
    let server = server.unwrap();
    let log = || fs::read_to_string(folder.path().join("postgres/log")).unwrap();
    let url = |host: &str, mode: &str, authority: &str| {
        format!(
            "postgres://postgres@{host}:{port}/{DATABASE}?sslmode={mode}&sslrootcert={authority}"
        )
    };
    let (ours, stranger) = (
        files.authority.to_str().unwrap(),
        files.stranger.to_str().unwrap(),
    );

    is_unreachable(
        &migrate(&url("localhost", "verify-full", stranger)).await,
        "certificate",
    );
    is_unreachable(
        &migrate(&url("localhost", "verify-ca", stranger)).await,
        "certificate",
    );
    // The right authority, and another name than the certificate's.
    is_unreachable(
        &migrate(&url("127.0.0.1", "verify-full", ours)).await,
        "certificate",
    );
    is_unreachable(
        &migrate(&url("localhost", "verify-full", "/nowhere/ca.pem")).await,
        "",
    );
    assert!(!log().contains("connection authorized"), "{}", log());

    let said = migrate(&url("localhost", "verify-full", ours)).await;
    assert_eq!(said.code, Some(0), "{said:?}");
    let log = log();
    let mut accepted = log
        .lines()
        .filter(|line| line.contains("connection authorized"));
    assert!(accepted.clone().count() > 0, "{log}");
    assert!(accepted.all(|line| line.contains("SSL enabled")), "{log}");
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_server_without_tls_is_not_spoken_to_when_it_is_asked_for() {
    let folder = TemporaryFolder::create().await.unwrap();
    let port = free_port();
    let settings = [
        "listen_addresses=localhost".to_owned(),
        format!("port={port}"),
        "log_connections=on".to_owned(),
    ];
    let server = Postgres::start_with(folder.path(), Durability::Fast, &settings).await;
    let server = server.unwrap();
    for mode in ["require", "verify-full"] {
        let url = format!("postgres://postgres@localhost:{port}/{DATABASE}?sslmode={mode}");
        is_unreachable(&migrate(&url).await, "TLS");
    }
    let log = fs::read_to_string(folder.path().join("postgres/log")).unwrap();
    assert!(!log.contains("connection authorized"), "{log}");
    server.stop().await.unwrap();
}
