//! Bodies that are not whole or too large: their item is not durable, so the transaction stays; the others are
//! visible, and the worker lives on in a memory that has an end.

use serde_json::json;

use super::{Script, TRANSACTION, exercise, peak_bytes, polar, transactions, until_ended, world};
use crate::server::{Reply, Request, head};

/// `accesslink.body_max` of this test.
const BODY_MAX: &str = "8MiB";

/// More than a worker needs that takes at most 8 MiB of each of the few bodies that it fetches at once, and holds the
/// three million values that a document may have once a thread, some 100 MB each. The endless bodies come to 4.5 GiB.
const PEAK_MAX_BYTES: u64 = 512 * 1024 * 1024;

const BOMB: &[u8] = include_bytes!("../corpus/bomb.deflate");

/// One answer after the other, all of them endless.
fn endless(headers: &[(&str, &str)], first: &[u8], piece: Vec<u8>) -> Reply {
    Reply::Endless {
        head: [head(200, headers), b"\r\n".to_vec(), first.to_vec()].concat(),
        piece,
        pieces: 4096,
    }
}

/// What becomes of the items: `None` is whole.
fn broken(item: &str) -> Option<Reply> {
    let blanks = vec![b' '; 64 * 1024];
    let gzip = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    Some(match item {
        "2" => endless(&[("Content-Length", "268435456")], b"{", blanks),
        "3" => endless(&[("Content-Encoding", "gzip")], &gzip, BOMB.to_vec()),
        "4" => endless(
            &[("Transfer-Encoding", "chunked")],
            b"",
            [b"10000\r\n".to_vec(), blanks, b"\r\n".to_vec()].concat(),
        ),
        "5" => Reply::json("{\"id\":"),
        "6" => Reply::json(b"\xff\xfe{\0}\0"),
        "7" => Reply::json("<html>"),
        "8" => Reply::whole(302, &[("Location", "/v3/users/1")], b"{}"),
        "9" => Reply::json("[".repeat(100_000)),
        _ => return None,
    })
}

#[tokio::test]
async fn what_is_not_whole_is_not_committed_and_hides_nothing_else() {
    let samples = |origin: &str| {
        let item = format!("{origin}{}/{TRANSACTION}/exercises/10", transactions());
        let urls: Vec<_> = (0..9_999)
            .map(|id| format!("{item}/samples/{id}"))
            .collect();
        json!({ "samples": urls }).to_string()
    };
    let mut many = String::new();
    let server = polar(|origin| {
        many = samples(origin);
        let many = many.clone();
        Script {
            created: vec![format!("{origin}{}/{TRANSACTION}", transactions())],
            listed: (1..=14)
                .map(|id| format!("{origin}{}/{TRANSACTION}/exercises/{id}", transactions()))
                .collect(),
            parts: Box::new(move |part| match part {
                "10/samples" => Some(Reply::json(&many)),
                "11/gpx" => {
                    let points = r#"<trkpt lat="1" lon="2"/>"#.repeat(300_000);
                    Some(Reply::json(format!("<gpx>{points}</gpx>")))
                }
                "12/samples/0" => Some(Reply::json(json!({ "sample-type": "0", "recording-rate": 1, "data": "97,".repeat(2_000_000) }).to_string())),
                "12/samples" => Some(Reply::json(r#"{"samples":"some"}"#)),
                "13" => Some(Reply::json(format!("[{}0]", "0,".repeat(4_000_000)))),
                "14/gpx" => {
                    let altitudes = "<ele>x</ele>".repeat(100_000);
                    Some(Reply::json(format!("<gpx><trkpt lat='1' lon='2'>{altitudes}</trkpt></gpx>")))
                }
                part => match (broken(part), part.parse()) {
                    (None, Ok(id)) => Some(Reply::json(exercise(id, &json!({})))),
                    (broken, _) => broken,
                },
            }),
            nights: "[".to_owned(),
        }
    })
    .await;
    let mut world = world(&server).await;
    world.set("ACCESSLINK__BODY_MAX", BODY_MAX);
    world.connect(1).await;
    let worker = world.spawn("worker");
    world
        .xadd(
            "interactive",
            r#"{"v":1,"user_id":"user_001","request_id":"all"}"#,
        )
        .await;
    until_ended(&world, "all").await;

    let is_commit = |request: &Request| request.method == "PUT";
    assert!(!server.seen().iter().any(is_commit), "nothing is committed");
    let blocked = "SELECT count(*) FROM polar_sync.remote_transaction WHERE phase = 'blocked'";
    assert_eq!(world.number(blocked).await, 1);
    let visible = "SELECT string_agg(polar_id::text, ' ' ORDER BY polar_id) FROM api_v1.workouts";
    assert_eq!(world.text(visible).await, "1 10 11 12 14");
    let kept = "SELECT string_agg(DISTINCT item || '/' || part, ' ' ORDER BY item || '/' || part)
        FROM polar_sync.quarantine";
    assert_eq!(
        world.text(kept).await,
        "11/gpx 12/samples 12/samples/0 13/summary 14/gpx"
    );
    let peak = peak_bytes();
    assert!(peak < PEAK_MAX_BYTES, "{peak}");
    assert_eq!(worker.stop().await, Some(0));
}
