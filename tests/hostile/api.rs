//! The HTTP interface before hostile callers: what no client library would send, over bare connections.

use std::net::{SocketAddr, TcpListener as StdListener};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{
    processes::Role,
    world::{World, within},
};

/// The key that the interface is configured with.
const KEY: &str = "your_key";

/// Most that a caller can send of what is refused: its limit of 32 KiB or 64 KiB, and what the buffers of a
/// socket's two sides hold.
const TAKEN_MAX_BYTES: usize = 32 * 1024 * 1024;

/// A running interface.
struct Interface {
    world: World,
    address: SocketAddr,
    role: Role,
}

impl Interface {
    async fn start() -> Self {
        let mut world = World::start(0, "small", &[]).await;
        // Somebody else might take the port in between: then the role ends, and the test says so.
        let listener = StdListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        world.set("API__LISTEN", &address.to_string());
        world.set("API__BOOTSTRAP_KEY", KEY);
        let role = world.spawn_logged("api");
        world
            .until_true("the interface to answer", async || {
                TcpStream::connect(address).await.is_ok()
            })
            .await;
        Self {
            world,
            address,
            role,
        }
    }

    /// What is answered to these bytes, until the interface hangs up.
    async fn say(&self, bytes: &[u8]) -> Said {
        self.flood(bytes, b"", 0).await
    }

    /// The same, with a piece that is sent again and again behind them.
    async fn flood(&self, bytes: &[u8], piece: &[u8], pieces: usize) -> Said {
        let connection = TcpStream::connect(self.address).await.unwrap();
        let (mut answer, mut call) = connection.into_split();
        let sending = async {
            let mut taken_bytes = 0;
            for piece in std::iter::once(bytes).chain(std::iter::repeat_n(piece, pieces)) {
                if call.write_all(piece).await.is_err() {
                    return taken_bytes;
                }
                taken_bytes += piece.len();
            }
            // Not the end of the connection: who hangs up wants no answer.
            taken_bytes
        };
        let reading = async {
            let mut text = Vec::new();
            // Whoever is cut off while he speaks may get a reset for an end.
            while matches!(answer.read_buf(&mut text).await, Ok(1..)) {}
            String::from_utf8_lossy(&text).into_owned()
        };
        let (taken_bytes, text) = within(
            "an end of the conversation",
            futures::future::join(sending, reading),
        )
        .await;
        Said { text, taken_bytes }
    }

    /// A whole call with a key.
    async fn call(&self, target: &str) -> Said {
        let call = format!(
            "GET {target} HTTP/1.1\r\nHost: x\r\nX-Open-Wearables-API-Key: {KEY}\r\nConnection: close\r\n\r\n"
        );
        self.say(call.as_bytes()).await
    }

    /// It still answers, and never failed or panicked.
    async fn assert_well(self) {
        let said = self.call("/api/v1/users").await;
        assert_eq!(said.status(), Some(200), "{}", said.text);
        let log = self.role.stop_and_read().await;
        assert!(!log.contains("panicked"), "{log}");
        assert!(!log.contains("\"status\":50"), "{log}");
        assert!(!log.contains(KEY), "{log}");
        drop(self.world);
    }
}

/// What an interface said.
struct Said {
    text: String,
    /// Bytes of the call that it took.
    taken_bytes: usize,
}

impl Said {
    /// The status of the first answer, if there is one.
    fn status(&self) -> Option<u16> {
        self.text.split(' ').nth(1)?.parse().ok()
    }

    /// How many answers there are.
    fn answers(&self) -> usize {
        self.text.matches("HTTP/1.1 ").count()
    }
}

#[tokio::test]
async fn no_more_is_taken_of_a_flood_than_the_limit() {
    let interface = Interface::start().await;
    let start =
        format!("POST /api/v1/users HTTP/1.1\r\nHost: x\r\nX-Open-Wearables-API-Key: {KEY}\r\n");
    let piece = vec![b'x'; 64 * 1024];
    let header = b"X-Flood: 0123456789012345678901234567890123456789\r\n".repeat(1000);
    let chunk = [b"10000\r\n".to_vec(), piece.clone(), b"\r\n".to_vec()].concat();
    let json = "Content-Type: application/json\r\n";
    let announced = format!("{start}{json}Content-Length: 10000000000\r\n\r\n");
    let chunked = format!("{start}{json}Transfer-Encoding: chunked\r\n\r\n");
    for (what, head, piece, status) in [
        ("headers without an end", start.clone(), &header, 431),
        (
            "a header without an end",
            format!("{start}X: "),
            &piece,
            431,
        ),
        ("a target without an end", "GET /".to_owned(), &piece, 414),
        ("a method without an end", String::new(), &piece, 400),
        ("a body of 10 GB", announced, &piece, 413),
        ("chunks without an end", chunked, &chunk, 413),
    ] {
        let said = interface.flood(head.as_bytes(), piece, 4096).await;
        assert!(
            said.taken_bytes < TAKEN_MAX_BYTES,
            "{what}: {}",
            said.taken_bytes
        );
        // The answer may be lost to the reset that ends a caller who goes on speaking.
        let statuses = [Some(status), Some(431), None];
        assert!(statuses.contains(&said.status()), "{what}: {}", said.text);
    }
    interface.assert_well().await;
}

#[tokio::test]
async fn what_is_no_http_is_refused_once_and_hung_up_on() {
    let interface = Interface::start().await;
    let key = format!("X-Open-Wearables-API-Key: {KEY}\r\n");
    let hidden = format!("GET /api/v1/users HTTP/1.1\r\nHost: x\r\n{key}\r\n");
    let length = hidden.len();
    for (what, bytes) in [
        ("TLS", "\u{16}\u{3}\u{1}\0\u{5}\u{1}".to_owned()),
        ("SSH", "SSH-2.0-x\r\n\r\n".to_owned()),
        ("HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned()),
        ("HTTP/9", "GET / HTTP/9.9\r\nHost: x\r\n\r\n".to_owned()),
        ("HTTP/0.9", "GET /api/v1/users\r\n\r\n".to_owned()),
        (
            "a blank in a name",
            format!("GET / HTTP/1.1\r\nHost : x\r\n{key}\r\n"),
        ),
        (
            "NUL in a value",
            format!("GET / HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n{key}\r\n"),
        ),
        (
            "a bare return",
            format!("GET / HTTP/1.1\r\nHost: x\r\nX: a\rb\r\n{key}\r\n"),
        ),
        (
            "no name",
            format!("GET / HTTP/1.1\r\nHost: x\r\n: a\r\n{key}\r\n"),
        ),
        (
            "two lengths",
            format!(
                "POST /api/v1/users HTTP/1.1\r\nHost: x\r\n{key}Content-Length: 0\r\nContent-Length: {length}\r\n\r\n{hidden}"
            ),
        ),
        (
            "a negative length",
            format!(
                "POST /api/v1/users HTTP/1.1\r\nHost: x\r\n{key}Content-Length: -1\r\n\r\n{hidden}"
            ),
        ),
        (
            "a length with a plus",
            format!(
                "POST /api/v1/users HTTP/1.1\r\nHost: x\r\n{key}Content-Length: +0\r\n\r\n{hidden}"
            ),
        ),
        (
            "an encoding that is not known",
            format!(
                "POST /api/v1/users HTTP/1.1\r\nHost: x\r\n{key}Transfer-Encoding: xchunked\r\n\r\n{hidden}"
            ),
        ),
        (
            "no size of a chunk",
            format!(
                "POST /api/v1/users HTTP/1.1\r\nHost: x\r\n{key}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n{hidden}"
            ),
        ),
    ] {
        let said = interface.say(bytes.as_bytes()).await;
        assert!(said.answers() <= 1, "{what}: {}", said.text);
        assert!(
            matches!(said.status(), None | Some(400 | 415 | 505)),
            "{what}: {}",
            said.text
        );
    }
    interface.assert_well().await;
}

/// Paths that are not the one of a call, and what may be answered to them.
const PATHS: [&str; 30] = [
    "//api/v1/users",
    "/api//v1/users",
    "/api/v1/users/",
    "/api/v1/./users",
    "/api/v1/x/../users",
    "/api/v1/users/..",
    "/api/v1/users/../../../etc/passwd",
    "/api/v1/users/%2e%2e",
    "/api/v1/users/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "/api/v1/users/..%2f..%2fmetrics",
    "/api/v1/users/a%2fb",
    "/api/v1/users/a%5cb",
    "/api/v1/users/%00",
    "/api/v1/users/a%00b",
    "/api/v1/users/%ff",
    "/api/v1/users/%c0%ae",
    "/api/v1/users/%",
    "/api/v1/users/%zz",
    "/api/v1/users/%0d%0aX-Evil:%201",
    "/api/v1/users/a;b=c",
    "/api/v1/users/%D0%B0dmin",
    "/api/v1/users/a%20b",
    "/api/v1/users/a%09b",
    "/API/V1/USERS",
    "/api/v1/users%2f",
    "/api%2fv1%2fusers",
    "/.git/config",
    "/docs/../../etc/passwd",
    "/docs/%2e%2e/%2e%2e/etc/passwd",
    "/metrics/../api/v1/users",
];

#[tokio::test]
async fn no_trick_with_a_path_finds_a_call_or_a_file() {
    let interface = Interface::start().await;
    for path in PATHS {
        let said = interface.call(path).await;
        assert!(
            matches!(said.status(), Some(400 | 404)),
            "{path}: {}",
            said.text
        );
        assert!(
            !said.text.contains("root:") && !said.text.contains("\r\nX-Evil"),
            "{path}"
        );
    }
    let long = format!("/api/v1/users/{}", "a".repeat(10_000));
    assert_eq!(interface.call(&long).await.status(), Some(400));
    // Whatever a caller calls it, it is the same call, and it needs its key.
    let host = interface.address;
    for line in [
        "GET http://evil.example/api/v1/users HTTP/1.1".to_owned(),
        format!("GET http://{host}/api/v1/users HTTP/1.1"),
        "GET /api/v1/users?x=/metrics HTTP/1.1".to_owned(),
    ] {
        let call = format!("{line}\r\nHost: x\r\nConnection: close\r\n\r\n");
        let said = interface.say(call.as_bytes()).await;
        assert_eq!(said.status(), Some(401), "{line}: {}", said.text);
    }
    for line in [
        "GET * HTTP/1.1",
        "OPTIONS * HTTP/1.1",
        "CONNECT evil.example:443 HTTP/1.1",
        "TRACE / HTTP/1.1",
    ] {
        let call = format!(
            "{line}\r\nHost: x\r\nX-Open-Wearables-API-Key: {KEY}\r\nConnection: close\r\n\r\n"
        );
        let said = interface.say(call.as_bytes()).await;
        assert!(
            matches!(said.status(), Some(400 | 404 | 405)),
            "{line}: {}",
            said.text
        );
        assert!(!said.text.contains(KEY), "{line}: nothing is echoed");
    }
    interface.assert_well().await;
}

#[tokio::test]
async fn no_key_is_found_by_its_form() {
    let interface = Interface::start().await;
    let long = "k".repeat(20_000);
    let id = "ps_00000000000000000000000000000000_";
    for key in [
        "",
        " ",
        "null",
        "undefined",
        "your_ke",
        "your_keyy",
        "YOUR_KEY",
        "your_key\u{e9}",
        "' OR 1=1 --",
        "*",
        "%",
        "ps_",
        "ps__",
        "ps_x_y",
        id,
        "ps_00000000-0000-0000-0000-000000000000_x",
        long.as_str(),
    ] {
        let call = format!(
            "GET /api/v1/users HTTP/1.1\r\nHost: x\r\nX-Open-Wearables-API-Key: {key}\r\nConnection: close\r\n\r\n"
        );
        let said = interface.say(call.as_bytes()).await;
        assert_eq!(said.status(), Some(401), "{key:.40}: {}", said.text);
    }
    let twice = format!(
        "GET /api/v1/users HTTP/1.1\r\nHost: x\r\nX-Open-Wearables-API-Key: no\r\nX-Open-Wearables-API-Key: {KEY}\r\n\
         Connection: close\r\n\r\n"
    );
    let said = interface.say(twice.as_bytes()).await;
    assert_eq!(
        said.status(),
        Some(401),
        "the first one counts: {}",
        said.text
    );
    interface.assert_well().await;
}

#[tokio::test]
async fn hostile_parameters_are_refused_or_find_nothing() {
    let interface = Interface::start().await;
    for path in [
        "/api/v1/users?limit=9999999999999999999999",
        "/api/v1/users?limit=%D9%A1",
        "/api/v1/users?limit=1e1",
        "/api/v1/users?limit=+1&limit=1",
        "/api/v1/users?cursor=%00",
        "/api/v1/users?cursor=../../x",
        "/api/v1/users?cursor=AAAAAAAAAAAAAA==",
        "/api/v1/changes?after=0x10",
        "/api/v1/changes?after=99999999999999999999",
        "/api/v1/users/user_001/timeseries?start_time=9999-12-31T23:59:60Z",
        "/api/v1/users/user_001/timeseries?start_time=-271821-04-20T00:00:00Z",
        "/api/v1/users/user_001/events/workouts?start_date=0000-00-00",
        "/api/v1/users/user_001/events/workouts/%7B%7D",
        "/api/v1/users/user_001/sync/runs?cursor=%F0%9F%92%A9",
        "/api/v1/oauth/polar/authorize?user_id=..&redirect_uri=javascript:0",
        "/api/v1/oauth/polar/authorize?user_id=a&redirect_uri=http://localhost@evil.example/",
        "/api/v1/oauth/polar/authorize?user_id=a&redirect_uri=//evil.example/",
        "/api/v1/oauth/polar/callback?state=%00&code=x",
        "/api/v1/oauth/polar/callback?state=x&code=x",
        "/api/v1/oauth/polar/callback",
    ] {
        let said = interface.call(path).await;
        assert!(
            matches!(said.status(), Some(400 | 404)),
            "{path}: {}",
            said.text
        );
    }
    let many = format!("/api/v1/users?{}", "a=1&".repeat(2_000));
    assert_eq!(interface.call(&many).await.status(), Some(400));
    interface.assert_well().await;
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let interface = Interface::start().await;
    let mut connection = TcpStream::connect(interface.address).await.unwrap();
    let call = format!(
        "POST /api/v1/users HTTP/1.1\r\nHost: x\r\nX-Open-Wearables-API-Key: {KEY}\r\n\
         Content-Type: application/json\r\nContent-Length: 10\r\nConnection: close\r\n\r\n{{"
    );
    connection.write_all(call.as_bytes()).await.unwrap();
    let mut text = String::new();
    let read = within("an answer", connection.read_to_string(&mut text)).await;
    read.unwrap();
    assert!(text.starts_with("HTTP/1.1 408 "), "{text}");
    interface.assert_well().await;
}

#[tokio::test]
async fn a_caller_who_says_nothing_is_hung_up_on() {
    let interface = Interface::start().await;
    let half = [&b""[..], b"PRI * HT", b"GET / HTTP/1.1\r\nHo", b"\r\n"];
    let calls = half.map(async |bytes| {
        let mut connection = TcpStream::connect(interface.address).await.unwrap();
        connection.write_all(bytes).await.unwrap();
        let mut text = String::new();
        let what = format!("an end of {bytes:?}");
        let _ = within(&what, connection.read_to_string(&mut text)).await;
        assert!(text.is_empty() || text.starts_with("HTTP/1.1 4"), "{text}");
    });
    futures::future::join_all(calls).await;
    interface.assert_well().await;
}
