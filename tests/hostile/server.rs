//! An HTTP server of the test's own, which may break every rule.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// A request, as it was sent.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) head: String,
    pub(crate) body: String,
}

/// What is sent back, byte for byte, and then the connection ends.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// These bytes.
    Raw(Vec<u8>),
    /// These bytes, and then the same piece again and again, so often.
    Endless {
        head: Vec<u8>,
        piece: Vec<u8>,
        pieces: u64,
    },
    /// These bytes, and then nothing until the client hangs up.
    Stalled(Vec<u8>),
}

impl Reply {
    /// A whole answer.
    pub(crate) fn whole(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Self {
        let mut raw = head(status, headers);
        raw.extend(format!("Content-Length: {}\r\n\r\n", body.len()).into_bytes());
        raw.extend_from_slice(body);
        Self::Raw(raw)
    }

    /// A whole JSON body.
    pub(crate) fn json(body: impl AsRef<[u8]>) -> Self {
        Self::whole(200, &[("Content-Type", "application/json")], body.as_ref())
    }

    /// 204.
    pub(crate) fn nothing() -> Self {
        Self::Raw([head(204, &[]), b"\r\n".to_vec()].concat())
    }
}

/// The begin of an answer, to which headers may be added.
pub(crate) fn head(status: u16, headers: &[(&str, &str)]) -> Vec<u8> {
    let headers = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"));
    let headers: String = headers.collect();
    format!("HTTP/1.1 {status} Hostile\r\nConnection: close\r\n{headers}").into_bytes()
}

/// A running server, which ends with the test's runtime.
pub(crate) struct Server {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Request>>>,
    sent_bytes: Arc<AtomicU64>,
}

impl Server {
    pub(crate) async fn start(answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            seen: Arc::default(),
            sent_bytes: Arc::default(),
        };
        let answer = Arc::new(answer);
        let (seen, sent_bytes) = (Arc::clone(&server.seen), Arc::clone(&server.sent_bytes));
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let (answer, seen) = (Arc::clone(&answer), Arc::clone(&seen));
                let sent_bytes = Arc::clone(&sent_bytes);
                tokio::spawn(async move {
                    let mut connection = connection;
                    if let Some(request) = read(&mut connection).await {
                        seen.lock().unwrap().push(request.clone());
                        send(connection, answer(&request), &sent_bytes).await;
                    }
                });
            }
        });
        server
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Every request so far.
    pub(crate) fn seen(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }

    /// Bytes of answers that the client's side took.
    pub(crate) fn sent_bytes(&self) -> u64 {
        self.sent_bytes.load(Ordering::SeqCst)
    }
}

async fn read(connection: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at;
        }
        if connection.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&bytes[..head_end]).into_owned();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_length = name.eq_ignore_ascii_case("content-length");
        is_length.then(|| value.trim().parse::<usize>().unwrap())
    });
    let end = head_end + 4 + length.unwrap_or(0);
    while bytes.len() < end {
        if connection.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    let mut words = head.split(' ');
    Some(Request {
        method: words.next()?.to_owned(),
        target: words.next()?.to_owned(),
        body: String::from_utf8_lossy(&bytes[head_end + 4..]).into_owned(),
        head,
    })
}

async fn send(mut connection: TcpStream, reply: Reply, sent_bytes: &AtomicU64) {
    let (first, piece, pieces) = match reply {
        Reply::Raw(bytes) => (bytes, Vec::new(), 0),
        Reply::Endless {
            head,
            piece,
            pieces,
        } => (head, piece, pieces),
        Reply::Stalled(bytes) => {
            let _ = connection.write_all(&bytes).await;
            let _ = connection.read(&mut [0]).await;
            return;
        }
    };
    let count = |bytes: &[u8]| {
        sent_bytes.fetch_add(u64::try_from(bytes.len()).unwrap(), Ordering::SeqCst);
    };
    if connection.write_all(&first).await.is_err() {
        return;
    }
    count(&first);
    for _ in 0..pieces {
        if connection.write_all(&piece).await.is_err() {
            return;
        }
        count(&piece);
    }
    let _ = connection.shutdown().await;
    // An end with unread bytes would be a reset, and take the answer's end with it.
    let _ = connection.read(&mut [0]).await;
}
