//! Answers that are too large, never end, or break the rules of HTTP: each is a named failure of its item, and no
//! more of it is taken than the limit says.

use std::{pin::pin, time::Duration};

use futures::{StreamExt as _, future::join_all, poll, stream::FuturesUnordered};
use jiff::SignedDuration;
use polar_sync::{
    accesslink::{
        Answer, Call,
        call::ItemPart,
        error::{Broken, Meaning},
        wire,
    },
    clock::Clock,
};

use crate::{
    polar::{BODY_MAX_BYTES, TRANSACTION, client, send},
    server::{Reply, Server, head},
};

const TIMEOUT: Duration = Duration::from_mins(1);

/// What the buffers of a socket's two sides may hold beside what was taken.
const BUFFERS_MAX_BYTES: u64 = 32 * 1024 * 1024;

/// Pieces of 64 KiB that make 200 MB.
const PIECE_BYTES: usize = 64 * 1024;
const PIECES: u64 = 3200;

/// One Mebibyte of blanks as a block of deflate, which can be repeated.
const BOMB: &[u8] = include_bytes!("corpus/bomb.deflate");

fn with_head(status: u16, headers: &[(&str, &str)]) -> Vec<u8> {
    [head(status, headers), b"\r\n".to_vec()].concat()
}

fn raw(text: &str) -> Reply {
    Reply::Raw(text.as_bytes().to_vec())
}

/// What comes of an item that is answered so, and the server that answered.
async fn answered(reply: Reply, timeout: Duration) -> (Result<Answer, Meaning>, Server) {
    let server = Server::start(move |_| reply.clone()).await;
    let client = client(&server, timeout);
    let answer = send(&client, &Call::get_item(&TRANSACTION, 7)).await;
    (answer, server)
}

#[tokio::test]
async fn no_more_is_taken_of_a_large_body_than_the_limit() {
    let total = (PIECE_BYTES as u64 * PIECES).to_string();
    let chunk = [
        format!("{PIECE_BYTES:x}\r\n").into_bytes(),
        vec![b' '; PIECE_BYTES],
        b"\r\n".to_vec(),
    ];
    for (what, head, piece) in [
        (
            "announced",
            with_head(200, &[("Content-Length", &total)]),
            vec![b' '; PIECE_BYTES],
        ),
        (
            "until the end",
            with_head(200, &[]),
            vec![b' '; PIECE_BYTES],
        ),
        (
            "chunked",
            with_head(200, &[("Transfer-Encoding", "chunked")]),
            chunk.concat(),
        ),
        (
            "announced as endless",
            with_head(200, &[("Content-Length", &u64::MAX.to_string())]),
            vec![b'['; PIECE_BYTES],
        ),
    ] {
        let reply = Reply::Endless {
            head,
            piece,
            pieces: PIECES,
        };
        let (answer, server) = answered(reply, TIMEOUT).await;
        let too_large = Err(Meaning::Broken(Broken::TooLarge));
        let expected = match what {
            // Two numbers of its length are kept back by the client for itself.
            "announced as endless" => Err(Meaning::ConnectionFailed),
            _ => too_large,
        };
        assert_eq!(answer, expected, "{what}");
        let limit = BODY_MAX_BYTES as u64 + BUFFERS_MAX_BYTES;
        assert!(
            server.sent_bytes() < limit,
            "{what}: {}",
            server.sent_bytes()
        );
        if expected != Err(Meaning::ConnectionFailed) {
            assert_eq!(server.seen().len(), 1, "{what}: it is not asked for again");
        }
    }
}

#[tokio::test]
async fn a_body_that_expands_beyond_the_limit_is_not_unpacked_further() {
    let gzip = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let reply = Reply::Endless {
        head: [
            with_head(200, &[("Content-Encoding", "gzip")]),
            gzip.to_vec(),
        ]
        .concat(),
        piece: BOMB.to_vec(),
        // 4 GiB.
        pieces: 4096,
    };
    let (answer, server) = answered(reply, TIMEOUT).await;
    assert_eq!(answer, Err(Meaning::Broken(Broken::TooLarge)));
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn heads_have_limits() {
    let line = b"X-Flood: 0123456789012345678901234567890123456789\r\n";
    let many = String::from_utf8(line.repeat(1000)).unwrap();
    let cases = [
        (
            "endless",
            Reply::Endless {
                head: head(200, &[]),
                piece: line.repeat(1000),
                pieces: PIECES,
            },
        ),
        (
            "one endless header",
            Reply::Endless {
                head: [head(200, &[]), b"X-Flood: ".to_vec()].concat(),
                piece: vec![b'x'; PIECE_BYTES],
                pieces: PIECES,
            },
        ),
        (
            "a thousand headers",
            raw(&format!(
                "HTTP/1.1 200 OK\r\n{many}Content-Length: 2\r\n\r\n{{}}"
            )),
        ),
        (
            "NUL",
            raw("HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 2\r\n\r\n{}"),
        ),
        ("no HTTP", raw("SSH-2.0-OpenSSH_9.9\r\n")),
        ("HTTP/0.9", raw("{}")),
        (
            "status 0",
            raw("HTTP/1.1 000 OK\r\nContent-Length: 2\r\n\r\n{}"),
        ),
        ("an empty answer", raw("")),
        (
            "no length that is one",
            raw("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}"),
        ),
        (
            "two lengths",
            raw("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 7\r\n\r\n{}"),
        ),
    ];
    let cases = cases.map(async |(what, reply)| {
        let (answer, server) = answered(reply, TIMEOUT).await;
        assert_eq!(answer, Err(Meaning::ConnectionFailed), "{what}");
        assert!(server.sent_bytes() < BUFFERS_MAX_BYTES, "{what}");
    });
    join_all(cases).await;
}

#[tokio::test]
async fn what_stands_still_is_given_up_after_the_timeout() {
    let timeout = Duration::from_millis(200);
    let early = b"HTTP/1.1 103 Early Hints\r\n\r\n".repeat(1000);
    let cases = [
        ("no answer", Vec::new()),
        ("half a status line", b"HTTP/1.1 2".to_vec()),
        ("half a head", head(200, &[("Content-Length", "2")])),
        (
            "half a body",
            [with_head(200, &[("Content-Length", "2")]), b"{".to_vec()].concat(),
        ),
        (
            "half a chunk",
            [
                with_head(200, &[("Transfer-Encoding", "chunked")]),
                b"2\r\n{".to_vec(),
            ]
            .concat(),
        ),
        ("early hints without an answer", early),
    ];
    let cases = cases.map(async |(what, bytes)| {
        let (answer, _server) = answered(Reply::Stalled(bytes), timeout).await;
        assert_eq!(answer, Err(Meaning::TimedOut), "{what}");
    });
    join_all(cases).await;
}

#[tokio::test]
async fn large_bodies_wait_for_their_turn_and_others_do_not() {
    const AT_ONCE: usize = 8;
    let large = format!(r#"["{}"]"#, "x".repeat(3 * 1024 * 1024));
    let announced = large.len().to_string();
    let head = with_head(200, &[("Content-Length", &announced)]);
    let stalled = [head, large[..large.len() - 1].into()].concat();
    let server = Server::start(move |request| match request.target.rsplit('/').next() {
        Some("1") => Reply::Stalled(stalled.clone()),
        Some("2") => Reply::json(&large),
        _ => Reply::json("{}"),
    })
    .await;
    let client = client(&server, TIMEOUT);
    let item = |item_id| Call::get_item(&TRANSACTION, item_id);
    let (stalls, waits, small) = (item(1), item(2), item(3));
    let mut stalled: FuturesUnordered<_> = (0..AT_ONCE).map(|_| send(&client, &stalls)).collect();
    let mut waiting = pin!(send(&client, &waits));
    // So many small ones that what is sent of the large ones is taken meanwhile.
    for _ in 0..100 {
        assert!(poll!(stalled.next()).is_pending());
        send(&client, &small).await.unwrap();
    }
    for _ in 0..100 {
        assert!(poll!(&mut waiting).is_pending());
        send(&client, &small).await.unwrap();
    }
    drop(stalled);
    waiting.await.unwrap();
}

#[tokio::test]
async fn what_would_come_too_late_is_not_sent() {
    let server = Server::start(|_| Reply::json("{}")).await;
    let client = client(&server, TIMEOUT);
    let minute = SignedDuration::from_mins(1);
    let create = Call::create_transaction(21, TRANSACTION.kind);
    let calls = [create, Call::commit_transaction(&TRANSACTION)];
    for (before, call) in calls.into_iter().enumerate() {
        let late = call.clone().sent_by(Some(Clock::default().now() - minute));
        assert_eq!(send(&client, &late).await, Err(Meaning::TooLate));
        assert_eq!(server.seen().len(), before);
        let in_time = call.sent_by(Some(Clock::default().now() + minute));
        send(&client, &in_time).await.unwrap();
        assert_eq!(server.seen().len(), before + 1);
    }
}

#[tokio::test]
async fn a_page_for_people_says_that_nothing_was_done() {
    let page = Err(Meaning::Broken(Broken::WrongType));
    for (body, answer) in [
        ("\n<!DOCTYPE html><html>Back soon</html>", page),
        ("", Ok(Answer::Done)),
        ("{}", Ok(Answer::Done)),
        ("OK", Ok(Answer::Done)),
    ] {
        // Servers call what is empty a page, too.
        let reply = Reply::whole(200, &[("Content-Type", "text/html")], body.as_bytes());
        let server = Server::start(move |_| reply.clone()).await;
        let client = client(&server, TIMEOUT);
        for call in [
            Call::commit_transaction(&TRANSACTION),
            Call::delete_user(21),
        ] {
            assert_eq!(send(&client, &call).await, answer, "{}", call.operation());
        }
    }
}

/// Each of these answers is broken so, and worth repeating.
async fn assert_broken<const N: usize>(cases: [(&str, Reply, Broken); N]) {
    let cases = cases.map(async |(what, reply, broken)| {
        let (answer, server) = answered(reply, TIMEOUT).await;
        assert_eq!(answer, Err(Meaning::Broken(broken)), "{what}");
        assert_eq!(server.seen().len(), 3, "{what}: it is worth repeating");
    });
    join_all(cases).await;
}

#[tokio::test]
async fn a_body_whose_end_is_not_where_it_was_said_to_be_is_cut_off() {
    let length = |length: &str, body: &str| {
        raw(&format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}"
        ))
    };
    let chunked = |rest: &str| {
        raw(&format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{rest}"
        ))
    };
    let encoded = |encoding, body| Reply::whole(200, &[("Content-Encoding", encoding)], body);
    let extension = format!("2;{}\r\n{{}}\r\n0\r\n\r\n", "x".repeat(100_000));
    assert_broken([
        (
            "a length that is too short",
            length("4", r#"{"a":1}"#),
            Broken::CutOff,
        ),
        (
            "a length that is too long",
            length("9", r#"{"a":1}"#),
            Broken::CutOff,
        ),
        ("no last chunk", chunked("2\r\n{}\r\n"), Broken::CutOff),
        (
            "no size of a chunk",
            chunked("two\r\n{}\r\n0\r\n\r\n"),
            Broken::CutOff,
        ),
        (
            "a size beyond 64 bits",
            chunked("fffffffffffffffff\r\n{}\r\n0\r\n\r\n"),
            Broken::CutOff,
        ),
        (
            "a chunk's long extension",
            chunked(&extension),
            Broken::CutOff,
        ),
        ("nothing", length("0", ""), Broken::CutOff),
        ("gzip that is none", encoded("gzip", b"{}"), Broken::CutOff),
        (
            "gzip that is cut off",
            encoded("gzip", b"\x1f\x8b\x08\0\0"),
            Broken::CutOff,
        ),
        (
            "an encoding that was not asked for",
            encoded("br", b"\x8b\x00\x80{}\x03"),
            Broken::CutOff,
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_content_that_is_not_whole_json_is_no_body() {
    assert_broken([
        ("blanks", Reply::json(" \r\n"), Broken::CutOff),
        ("a word", Reply::json("null"), Broken::CutOff),
        (
            "a number that is not one",
            Reply::json(r#"{"a":NaN}"#),
            Broken::CutOff,
        ),
        (
            "Infinity",
            Reply::json(r#"{"a":-Infinity}"#),
            Broken::CutOff,
        ),
        (
            "lists without an end",
            Reply::json("[".repeat(100_000)),
            Broken::CutOff,
        ),
        ("two bodies", Reply::json("{}{}"), Broken::CutOff),
        (
            "a page",
            Reply::json("\n<!DOCTYPE html><p>502</p>"),
            Broken::WrongType,
        ),
        (
            "bytes that are no text",
            Reply::json(b"{\"a\":\"\xff\xfe\"}"),
            Broken::CutOff,
        ),
        (
            "a surrogate as bytes",
            Reply::json(b"{\"a\":\"\xed\xa0\x80\"}"),
            Broken::CutOff,
        ),
        ("UTF-16", Reply::json(b"\xff\xfe{\0}\0"), Broken::CutOff),
        (
            "a line break in a text",
            Reply::json("{\"a\":\"b\nc\"}"),
            Broken::CutOff,
        ),
    ])
    .await;
}

#[tokio::test]
async fn what_is_whole_is_taken_as_it_is_whatever_it_holds() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let samples = format!(r#"{{"data":"{}"}}"#, "97,".repeat(1_000_000));
    for body in [
        r#"{"a":1e999,"b":-0,"c":123456789012345678901234567890}"#,
        r#"{"a":"\ud800","b":"\u0000","a":2}"#,
        "\u{feff}{}",
        &deep,
        &samples,
    ] {
        let (answer, server) = answered(Reply::json(body), TIMEOUT).await;
        assert_eq!(
            answer,
            Ok(Answer::Body(body.to_owned().into())),
            "{body:.40}"
        );
        assert_eq!(server.seen().len(), 1);
    }
}

#[tokio::test]
async fn entities_of_a_route_are_never_expanded() {
    let laughs: Vec<_> = (1..30)
        .map(|n| format!(r#"<!ENTITY l{n} "{}">"#, format!("&l{};", n - 1).repeat(10)))
        .collect();
    let laughs = laughs.concat();
    let body = format!(
        r#"<?xml version="1.0"?><!DOCTYPE gpx [<!ENTITY l0 "lol">{laughs}
        <!ENTITY file SYSTEM "file:///etc/passwd"><!ENTITY % dtd SYSTEM "http://127.0.0.1:1/x.dtd"> %dtd;]>
        <gpx><name>&l29;&file;</name><trkpt lat="1" lon="2"><time>&l29;</time><ele>&file;</ele></trkpt></gpx>"#
    );
    let reply = Reply::whole(
        200,
        &[("Content-Type", "application/gpx+xml")],
        body.as_bytes(),
    );
    let server = Server::start(move |_| reply.clone()).await;
    let client = client(&server, TIMEOUT);
    let answer = send(&client, &Call::get_part(&TRANSACTION, 7, &ItemPart::Gpx)).await;
    let Ok(Answer::Body(body)) = answer else {
        panic!("{answer:?}");
    };
    let read = wire::gpx::decode(&body).unwrap();
    assert_eq!(read.body.len(), 1);
    let kept = format!("{read:?}");
    assert!(kept.len() < 1000 && !kept.contains("root:"), "{kept}");
}
