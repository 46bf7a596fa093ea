//! Starts the program and talks to both of its ports.

use std::process::Stdio;

use reqwest::header::HeaderMap;
use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, ChildStdin, Command};

/// The first account of every population.
pub(crate) const USER: u64 = 10_000_001;

/// A running simulator. It ends with this value, because its standard input is closed then.
pub(crate) struct Sim {
    api: String,
    control: String,
    http: Client,
    stdin: ChildStdin,
    child: Child,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    /// The body as JSON, null where there is none.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// A header as text.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}

impl Sim {
    /// One account with the small profile on a fixed day, unless the arguments say otherwise.
    pub(crate) async fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_accesslink-sim"));
        command.args([
            "--listen",
            "127.0.0.1:0",
            "--control",
            "127.0.0.1:0",
            "--exit-on-stdin-close",
        ]);
        for (flag, value) in [
            ("--users", "1"),
            ("--profile", "small"),
            ("--start", "2026-03-20T12:00:00Z"),
        ] {
            if !arguments.contains(&flag) {
                command.args([flag, value]);
            }
        }
        command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines
            .next_line()
            .await
            .unwrap()
            .expect("the program announces its addresses");
        let at: Value = serde_json::from_str(&line).unwrap();
        let url = |key: &str| format!("http://{}", at[key].as_str().unwrap());
        let http = Client::builder().redirect(Policy::none()).build().unwrap();
        let stdin = child.stdin.take().unwrap();
        Self {
            api: url("listen"),
            control: url("control"),
            http,
            stdin,
            child,
        }
    }

    /// A simulator with one registered account, and that account's token.
    pub(crate) async fn connected(arguments: &[&str]) -> (Self, String) {
        let sim = Self::start(arguments).await;
        let token = sim.token(USER).await;
        (sim, token)
    }

    /// Where the API is.
    pub(crate) fn api(&self) -> &str {
        &self.api
    }

    /// A request of the API; the path may be a whole URL that the simulator returned.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = if path.starts_with("http") {
            path.to_owned()
        } else {
            format!("{}{path}", self.api)
        };
        self.http.request(method, url)
    }

    /// Calls the API with a token.
    pub(crate) async fn call(&self, token: &str, method: Method, path: &str) -> Reply {
        send(self.request(method, path).bearer_auth(token)).await
    }

    /// Reads with a token.
    pub(crate) async fn get(&self, token: &str, path: &str) -> Reply {
        self.call(token, Method::GET, path).await
    }

    /// Creates a transaction; the answer has its address.
    pub(crate) async fn create(&self, token: &str, kind: &str) -> Reply {
        self.call(
            token,
            Method::POST,
            &format!("/v3/users/{USER}/{kind}-transactions"),
        )
        .await
    }

    /// Creates a transaction that must come to be, and returns its address.
    pub(crate) async fn open(&self, token: &str, kind: &str) -> String {
        let created = self.create(token, kind).await;
        assert_eq!(created.status, 201, "{created:?}");
        created.json()["resource-uri"].as_str().unwrap().to_owned()
    }

    /// Commits a transaction.
    pub(crate) async fn commit(&self, token: &str, uri: &str) -> u16 {
        self.call(token, Method::PUT, uri).await.status
    }

    /// Calls the control port.
    pub(crate) async fn control(&self, method: Method, path: &str, body: Value) -> Reply {
        send(
            self.http
                .request(method, format!("{}{path}", self.control))
                .json(&body),
        )
        .await
    }

    /// Posts to the control port; the answer must be a good one.
    pub(crate) async fn tell(&self, path: &str, body: Value) -> Value {
        let reply = self.control(Method::POST, path, body).await;
        assert_eq!(
            reply.status,
            200,
            "{path}: {}",
            String::from_utf8_lossy(&reply.body)
        );
        reply.json()
    }

    /// Reads from the control port.
    pub(crate) async fn ask(&self, path: &str) -> Value {
        let reply = send(self.http.get(format!("{}{path}", self.control))).await;
        assert_eq!(
            reply.status,
            200,
            "{path}: {}",
            String::from_utf8_lossy(&reply.body)
        );
        reply.json()
    }

    /// The ledger of the first account.
    pub(crate) async fn ledger(&self) -> Value {
        self.ask(&format!("/ledger/users/{USER}")).await
    }

    /// Names of the violations so far.
    pub(crate) async fn violations(&self) -> Vec<String> {
        let ledger = self.ask("/ledger").await;
        let violations = ledger["violations"].as_array().unwrap();
        violations
            .iter()
            .map(|violation| violation["name"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Registers the account and issues a token for it.
    pub(crate) async fn token(&self, user: u64) -> String {
        let issued = self
            .tell(&format!("/users/{user}/token"), json!({"registered": true}))
            .await;
        issued["access_token"].as_str().unwrap().to_owned()
    }

    /// Closes the program's standard input and waits for its end.
    pub(crate) async fn close_stdin(mut self) -> std::process::ExitStatus {
        drop(self.stdin);
        self.child.wait().await.unwrap()
    }

    /// Moves the clock.
    pub(crate) async fn advance_s(&self, seconds: u64) {
        self.tell("/clock", json!({"advance_s": seconds})).await;
    }

    /// Turns one switch.
    pub(crate) async fn switch(&self, key: &str, value: &str) {
        let reply = self
            .control(Method::PUT, "/switches", json!({key: value}))
            .await;
        assert_eq!(reply.json()[key], value);
    }
}

/// Sends a request that must be answered.
pub(crate) async fn send(request: RequestBuilder) -> Reply {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Reply {
        status,
        headers,
        body: response.bytes().await.unwrap().to_vec(),
    }
}

/// The URLs of a list.
pub(crate) fn urls(reply: &Reply, key: &str) -> Vec<String> {
    assert_eq!(reply.status, 200, "{reply:?}");
    let list = reply.json();
    let list = list[key].as_array().unwrap();
    list.iter()
        .map(|url| url.as_str().unwrap().to_owned())
        .collect()
}

/// All exercises of the list without flags.
pub(crate) async fn exercises(sim: &Sim, token: &str) -> Vec<Value> {
    let list = sim.get(token, "/v3/exercises").await;
    list.json().as_array().unwrap().clone()
}

/// A text member that must be there.
pub(crate) fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key]
        .as_str()
        .unwrap_or_else(|| panic!("{key} of {value}"))
}
