//! Every parser that can be reached from outside the crate: the corpus, damaged copies of it, and its laws.

use std::path::Path;

use polar_sync::{
    accesslink::wire,
    config::{Origin, RedirectPattern},
    queue::Message,
};
use proptest::{prelude::*, sample::select};

use crate::laws;

/// Every body of a folder of the corpus, with its name.
fn corpus(folder: &str) -> Vec<(String, Vec<u8>)> {
    let corpus = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/hostile/corpus"));
    let files = std::fs::read_dir(corpus.join(folder)).unwrap();
    let mut bodies: Vec<_> = files
        .map(|file| {
            let path = file.unwrap().path();
            let name = path.strip_prefix(corpus).unwrap().display().to_string();
            (name, std::fs::read(path).unwrap())
        })
        .collect();
    bodies.sort();
    assert!(bodies.len() > 5, "{folder}");
    bodies
}

/// Holds a body to the laws of everything that reads one.
fn check_body(body: &[u8]) {
    laws::wire::check(body);
    laws::gpx::check(body);
    laws::normalize::check(body);
}

#[test]
fn bodies_of_the_corpus_are_whole_or_not_and_never_end_a_reader() {
    for (name, body) in corpus("wire/whole") {
        assert_eq!(wire::check_complete(&body), Ok(()), "{name}");
        check_body(&body);
    }
    for (name, body) in corpus("wire/broken") {
        assert!(wire::check_complete(&body).is_err(), "{name}");
        assert!(wire::read::<wire::User>(&body).is_err(), "{name}");
        check_body(&body);
    }
}

#[test]
fn routes_of_the_corpus_are_whole_or_not_and_never_end_a_reader() {
    for (name, body) in corpus("gpx/whole") {
        assert_eq!(wire::gpx::check_complete(&body), Ok(()), "{name}");
        check_body(&body);
    }
    for (name, body) in corpus("gpx/broken") {
        assert!(wire::gpx::check_complete(&body).is_err(), "{name}");
        assert!(wire::gpx::decode(&body).is_err(), "{name}");
        check_body(&body);
    }
}

#[test]
fn messages_of_the_corpus_are_taken_or_refused() {
    for (name, job) in corpus("message/accepted") {
        let parsed = Message::parse(Some(&job));
        assert!(parsed.is_ok(), "{name}: {parsed:?}");
        laws::message::check(&job);
    }
    for (name, job) in corpus("message/refused") {
        let parsed = Message::parse(Some(&job));
        assert!(parsed.is_err(), "{name}: {parsed:?}");
    }
}

/// A damage to a body: a byte replaced, removed, or the rest cut off; or a piece of it repeated.
#[derive(Debug, Clone)]
enum Damage {
    Byte(prop::sample::Index, u8),
    Remove(prop::sample::Index),
    Cut(prop::sample::Index),
    Repeat(prop::sample::Index, prop::sample::Index),
    /// One of the words that mean something to a parser.
    Insert(prop::sample::Index, &'static str),
}

const WORDS: [&str; 16] = [
    "{", "}", "[", "]", "\"", "\\", "\\u0000", "\\ud800", "1e999", "-", ",", ":", "null", "<", "&",
    "\u{feff}",
];

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        (any::<prop::sample::Index>(), any::<u8>()).prop_map(|(at, byte)| Damage::Byte(at, byte)),
        any::<prop::sample::Index>().prop_map(Damage::Remove),
        any::<prop::sample::Index>().prop_map(Damage::Cut),
        (any::<prop::sample::Index>(), any::<prop::sample::Index>())
            .prop_map(|(from, to)| Damage::Repeat(from, to)),
        (any::<prop::sample::Index>(), select(&WORDS[..]))
            .prop_map(|(at, word)| Damage::Insert(at, word)),
    ]
}

fn damaged(body: &[u8], damages: Vec<Damage>) -> Vec<u8> {
    let mut body = body.to_vec();
    for damage in damages {
        let length = body.len();
        if length == 0 {
            break;
        }
        match damage {
            Damage::Byte(at, byte) => body[at.index(length)] = byte,
            Damage::Remove(at) => drop(body.remove(at.index(length))),
            Damage::Cut(at) => body.truncate(at.index(length)),
            Damage::Repeat(from, to) => {
                let (from, to) = (from.index(length), to.index(length));
                let piece = body[from.min(to)..from.max(to)].to_vec();
                body.extend(piece);
            }
            Damage::Insert(at, word) => {
                let at = at.index(length);
                body.splice(at..at, word.bytes());
            }
        }
    }
    body
}

/// The small bodies of these folders.
fn seeds(folders: &[&str]) -> impl Strategy<Value = Vec<u8>> + use<> {
    let bodies = folders.iter().flat_map(|folder| corpus(folder));
    let bodies = bodies.map(|(_, body)| body);
    select(bodies.filter(|body| body.len() < 4000).collect::<Vec<_>>())
}

/// Texts near to those that configuration has.
fn setting() -> impl Strategy<Value = String> {
    prop_oneof![
        "[0-9]{0,20} ?(ns|us|ms|s|m|h|d|w|y|B|KiB|MiB|GiB|TiB)?",
        "(https?|redis|postgres|ftp)?:?/{0,3}[a-zA-Z0-9.@:%\\[\\]-]{0,30}(:[0-9*]{0,6})?/?[a-z/.%?#]{0,20}",
        "[0-9.:\\[\\]a-f]{0,40}",
        "[{}a-z:_-]{0,30}",
        "[a-z_:]{1,12}=(info|warn|debug|\\[)?,?[a-z]{0,5}",
        "\\PC{0,60}",
    ]
}

proptest! {
    #[test]
    fn damaged_bodies_of_the_corpus_never_end_a_reader(
        body in seeds(&["wire/whole", "wire/broken", "gpx/whole", "gpx/broken"]),
        damages in prop::collection::vec(damage(), 1..6),
    ) {
        check_body(&damaged(&body, damages));
    }

    #[test]
    fn damaged_messages_are_answered(
        job in seeds(&["message/accepted", "message/refused"]),
        damages in prop::collection::vec(damage(), 1..6),
    ) {
        laws::message::check(&damaged(&job, damages));
    }

    /// Whatever a reader takes is whole: what is cut off is never taken for understood.
    #[test]
    fn nothing_is_understood_that_is_not_whole(
        body in seeds(&["wire/whole"]),
        damages in prop::collection::vec(damage(), 1..4),
    ) {
        let body = damaged(&body, damages);
        if wire::read::<wire::ItemName>(&body).is_ok() && !body.trim_ascii().is_empty() {
            let is_scalar = !body.iter().any(|c| b"{[".contains(c));
            prop_assert!(is_scalar || wire::check_complete(&body).is_ok(), "{}", String::from_utf8_lossy(&body));
        }
    }

    #[test]
    fn texts_keep_the_laws_of_configuration(text in setting()) {
        laws::config::check(&text);
    }

    /// No text that is not exactly an origin becomes one, since tokens are sent there.
    #[test]
    fn an_origin_is_nothing_but_an_origin(text in setting()) {
        if let Ok(origin) = text.parse::<Origin>() {
            let url = url::Url::parse(&origin.to_string()).unwrap();
            prop_assert!(url.username().is_empty() && url.password().is_none());
            prop_assert!(url.query().is_none() && url.fragment().is_none() && url.path() == "/");
            prop_assert!(["http", "https"].contains(&url.scheme()));
        }
    }

    /// The address of a callback that a pattern takes is on its host.
    #[test]
    fn a_pattern_takes_its_own_host_alone(text in setting()) {
        let pattern: RedirectPattern = "http://localhost:*".parse().unwrap();
        if let Ok(url) = text.parse::<url::Url>() && pattern.allows(&url) {
            prop_assert_eq!(url.host_str(), Some("localhost"));
            prop_assert_eq!(url.scheme(), "http");
            prop_assert!(url.username().is_empty() && url.password().is_none());
        }
    }
}
