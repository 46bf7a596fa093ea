//! The fixtures: bodies in the forms that AccessLink sends.

use std::path::Path;

use polar_sync::accesslink::wire;

/// The body of a fixture by its file name.
pub(crate) fn body(name: &str) -> Vec<u8> {
    std::fs::read(folder().join(name)).unwrap()
}

/// A fixture, read as what it is.
pub(crate) fn read<T: serde::de::DeserializeOwned>(name: &str) -> T {
    let body = body(name);
    wire::check_complete(&body).unwrap();
    wire::decode(&body).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// An instant.
pub(crate) fn at(text: &str) -> jiff::Timestamp {
    text.parse().unwrap()
}

/// Every fixture with its file name.
pub(crate) fn all() -> Vec<(String, Vec<u8>)> {
    let mut names: Vec<String> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert!(names.len() >= 20, "{names:?}");
    names
        .into_iter()
        .map(|name| (name.clone(), body(&name)))
        .collect()
}

fn folder() -> &'static Path {
    Path::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/accesslink"
    ))
}
