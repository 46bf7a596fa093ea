//! A receiver of webhooks on loopback: it keeps what comes, and answers as it is told.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

/// Long enough for every delivery on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running receiver.
pub(crate) struct Receiver {
    pub(crate) url: String,
    answers: Arc<Mutex<VecDeque<u16>>>,
    is_open: watch::Sender<bool>,
    posts: mpsc::UnboundedReceiver<Post>,
}

/// A request that came.
#[derive(Debug)]
pub(crate) struct Post {
    pub(crate) event: String,
    pub(crate) signature: Option<String>,
    pub(crate) content_type: String,
    pub(crate) body: Bytes,
}

impl Post {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

#[derive(Clone)]
struct Desk {
    answers: Arc<Mutex<VecDeque<u16>>>,
    is_open: watch::Receiver<bool>,
    posts: mpsc::UnboundedSender<Post>,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/polar", listener.local_addr().unwrap());
        let (sender, posts) = mpsc::unbounded_channel();
        let answers = Arc::new(Mutex::new(VecDeque::new()));
        let is_open = watch::Sender::new(true);
        let desk = Desk {
            answers: answers.clone(),
            is_open: is_open.subscribe(),
            posts: sender,
        };
        let router = Router::new().fallback(receive).with_state(desk);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self {
            url,
            answers,
            is_open,
            posts,
        }
    }

    /// Answers the next requests with these statuses, and then with 200 again.
    pub(crate) fn answer(&self, statuses: &[u16]) {
        self.answers.lock().unwrap().extend(statuses);
    }

    /// Takes requests and leaves them without an answer for as long as it is not open.
    pub(crate) fn open(&self, is_open: bool) {
        self.is_open.send_replace(is_open);
    }

    /// The next request, which must come.
    pub(crate) async fn next(&mut self) -> Post {
        let post = tokio::time::timeout(PATIENCE, self.posts.recv()).await;
        post.expect("a delivery").unwrap()
    }

    /// Whether nothing came that was not taken.
    pub(crate) fn is_empty(&self) -> bool {
        self.posts.is_empty()
    }
}

async fn receive(State(mut desk): State<Desk>, headers: HeaderMap, body: Bytes) -> Response {
    let header = |name: &str| Some(headers.get(name)?.to_str().ok()?.to_owned());
    let status = desk.answers.lock().unwrap().pop_front().unwrap_or(200);
    let post = Post {
        event: header("polar-webhook-event").unwrap_or_default(),
        signature: header("polar-webhook-signature"),
        content_type: header("content-type").unwrap_or_default(),
        body,
    };
    // A test that has seen enough hears no more.
    _ = desk.posts.send(post);
    _ = desk.is_open.wait_for(|is_open| *is_open).await;
    let location = [("location", "/elsewhere")];
    (StatusCode::from_u16(status).unwrap(), location).into_response()
}
