//! The four `curl` lines that people begin with, literally, against a running demo.

use std::{net::TcpListener, process::Stdio, time::Duration};

use reqwest::redirect::Policy;
use serde_json::Value;
use tokio::process::Command;
use url::Url;

use super::{Place, summary};

/// The lines as they are printed.
const AUTHORIZE: &str = r#"curl "http://localhost:8000/api/v1/oauth/polar/authorize?user_id=user_001&redirect_uri=http://localhost:3000/callback" \
  -H "X-Open-Wearables-API-Key: your_key""#;
const SYNC: &str = r#"curl -X POST http://localhost:8000/api/v1/providers/polar/users/user_001/sync \
  -H "X-Open-Wearables-API-Key: your_key""#;
const WORKOUTS: &str = r#"curl http://localhost:8000/api/v1/users/user_001/events/workouts \
  -H "X-Open-Wearables-API-Key: your_key""#;
const FULL_SYNC: &str = r#"curl -X POST "http://localhost:8000/api/v1/providers/polar/users/user_001/sync?samples=true&zones=true&route=true" \
  -H "X-Open-Wearables-API-Key: your_key""#;

/// Where the lines expect the demo.
const PORT: u16 = 8000;

/// A sync of one user takes moments.
const SYNC_PATIENCE: Duration = Duration::from_mins(1);

/// Runs a line. Only the port is another where somebody else has the printed one.
async fn shell(line: &str, port: u16) -> Value {
    let line = line.replace("localhost:8000", &format!("localhost:{port}"));
    // What `curl` says of its progress is not looked at, and what it says of a refusal is.
    let line = line.replacen("curl ", "curl --fail-with-body --silent --show-error ", 1);
    let ran = Command::new("sh")
        .args(["-c", &line])
        .stdin(Stdio::null())
        .output()
        .await;
    let output = ran.unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{line}: {out} {err}");
    serde_json::from_str(&out).unwrap()
}

/// What a browser does with the consent page: shows it, submits its form with the first account, and goes where it is
/// sent, but not to the platform, which is not there.
async fn browse(page: Url) -> Url {
    let browser = reqwest::Client::builder()
        .redirect(Policy::none())
        .build()
        .unwrap();
    let shown = browser
        .get(page.clone())
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    let (_, options) = shown.split_once("<option value=\"").unwrap();
    let (account, _) = options.split_once('"').unwrap();
    let mut fields: Vec<(String, String)> = page.query_pairs().into_owned().collect();
    fields.push(("account".to_owned(), account.to_owned()));
    fields.push(("decision".to_owned(), "allow".to_owned()));
    let action = page.join("/oauth2/authorization").unwrap();
    let sent = browser.post(action).form(&fields).send().await.unwrap();
    let location = |answer: &reqwest::Response| -> Url {
        assert!(answer.status().is_redirection(), "{}", answer.status());
        answer.headers()["location"]
            .to_str()
            .unwrap()
            .parse()
            .unwrap()
    };
    let back = browser.get(location(&sent)).send().await.unwrap();
    location(&back)
}

#[tokio::test]
async fn the_four_lines_work_in_order() {
    let place = Place::new();
    let is_free = TcpListener::bind(("127.0.0.1", PORT)).is_ok();
    let listen = if is_free {
        "127.0.0.1:8000"
    } else {
        "127.0.0.1:0"
    };
    let mut demo = place.start_at("--users 2", listen);
    let shown = summary(demo.stdout.take().unwrap()).await;
    let api: Url = shown["api"].as_str().unwrap().parse().unwrap();
    let port = api.port().unwrap();

    let authorization = shell(AUTHORIZE, port).await;
    let page = authorization["authorization_url"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let target = browse(page).await;
    assert_eq!(
        target.as_str(),
        "http://localhost:3000/callback?user_id=user_001&provider=polar&status=connected"
    );
    let sync = shell(SYNC, port).await;
    assert_eq!(
        (&sync["success"], &sync["async"]),
        (&true.into(), &true.into())
    );
    let workouts = shell(WORKOUTS, port).await;
    let rows = workouts["data"].as_array().unwrap();
    assert!(!rows.is_empty(), "{workouts}");
    assert!(
        rows.iter().all(|row| row["source"]["provider"] == "polar"),
        "{workouts}"
    );

    let full = shell(FULL_SYNC, port).await;
    let task = full["task_id"].as_str().unwrap();
    let followed = WORKOUTS.replace("events/workouts", &format!("sync/runs/{task}"));
    let done = async { while shell(&followed, port).await["state"] != "done" {} };
    tokio::time::timeout(SYNC_PATIENCE, done).await.unwrap();
}
