//! What the summary of an item tells about the rest of it.

use std::fmt::Write;

use aws_lc_rs::digest;
use bytes::Bytes;

use crate::{
    accesslink::{Error, call::ItemPart, wire},
    model::{Detail, Details, TransactionalKind},
};

/// The part that every item begins with.
pub const SUMMARY: &str = "summary";

/// Bytes of a hash that stand for a version.
const VERSION_BYTES: usize = 12;

/// The longest version that is taken over from Polar, in bytes. Its times have some 30.
const SAID_VERSION_MAX_BYTES: usize = 64;

/// What has to be fetched beside the summary, and which version of the item it is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Outline {
    pub(super) version: String,
    pub(super) parts: Vec<ItemPart>,
}

/// Reads the outline of an item. A summary that cannot be understood hides nothing: every part is
/// fetched, and the version is the hash of the summary itself.
pub(super) fn outline(kind: TransactionalKind, summary: &[u8], wanted: Details) -> Outline {
    let (version, parts) = match kind {
        TransactionalKind::Exercise => {
            let exercise = understood::<wire::Exercise>(summary);
            let has_route = exercise.as_ref().and_then(|exercise| exercise.has_route);
            let parts = wanted
                .iter()
                .filter(|detail| *detail != Detail::Route || has_route != Some(false))
                .map(part_of)
                .collect();
            (exercise.map(|exercise| exercise.upload_time), parts)
        }
        TransactionalKind::Activity => {
            let activity = understood::<wire::Activity>(summary);
            let parts = vec![ItemPart::StepSamples, ItemPart::ZoneSamples];
            (activity.map(|activity| activity.created), parts)
        }
        TransactionalKind::PhysicalInformation => {
            let information = understood::<wire::PhysicalInformation>(summary);
            (
                information.map(|information| information.created),
                Vec::new(),
            )
        }
    };
    Outline {
        version: version
            .filter(|version| is_key(version))
            .unwrap_or_else(|| content_version(summary)),
        parts,
    }
}

fn understood<T: serde::de::DeserializeOwned>(summary: &[u8]) -> Option<T> {
    wire::read(summary).ok().map(|read| read.body)
}

/// Whether a text of Polar's may be part of a key in the ledger: a short one that Postgres takes.
fn is_key(text: &str) -> bool {
    (1..=SAID_VERSION_MAX_BYTES).contains(&text.len())
        && text.bytes().all(|c| c == b' ' || c.is_ascii_graphic())
}

/// The part of a transaction's exercise that holds a detail.
pub(super) const fn part_of(detail: Detail) -> ItemPart {
    match detail {
        Detail::Samples => ItemPart::Samples,
        Detail::Zones => ItemPart::Zones,
        Detail::Route => ItemPart::Gpx,
    }
}

/// A version for a body that carries none of its own: the beginning of its hash.
pub(super) fn content_version(body: &[u8]) -> String {
    let hash = digest::digest(&digest::SHA256, body);
    let mut version = String::with_capacity(2 * VERSION_BYTES);
    for byte in hash.as_ref().iter().take(VERSION_BYTES) {
        // Writing to a string cannot fail.
        let _ = write!(version, "{byte:02x}");
    }
    version
}

/// What was fetched of one part.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Fetched {
    /// Its body.
    Body(Bytes),
    /// Polar has none (204).
    Absent,
    /// 404: absent only if the transaction is still there, else the transaction is gone.
    Missing,
}

impl Fetched {
    /// Bytes in memory.
    pub(super) fn size_bytes(&self) -> usize {
        match self {
            Self::Body(body) => body.len(),
            Self::Absent | Self::Missing => 0,
        }
    }
}

/// What was fetched of one item.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FetchedItem {
    /// Its id at Polar.
    pub item_id: i64,
    /// Which version of it.
    pub version: String,
    /// By name, the summary among them.
    pub parts: Vec<(String, Fetched)>,
    /// Why it is not whole.
    pub broken: Option<Error>,
}

impl FetchedItem {
    /// Bytes in memory.
    pub fn size_bytes(&self) -> usize {
        self.parts.iter().map(|(_, part)| part.size_bytes()).sum()
    }

    /// Whether a part was answered with 404.
    pub fn has_missing(&self) -> bool {
        self.parts
            .iter()
            .any(|(_, fetched)| *fetched == Fetched::Missing)
    }

    /// The transaction is still there, so what is missing is absent.
    pub fn settle_missing(&mut self) {
        for (_, fetched) in &mut self.parts {
            if *fetched == Fetched::Missing {
                *fetched = Fetched::Absent;
            }
        }
    }

    /// The body of a part, if it has one.
    pub fn body(&self, part: &str) -> Option<&Bytes> {
        self.parts
            .iter()
            .find(|(name, _)| name == part)
            .and_then(|(_, fetched)| match fetched {
                Fetched::Body(body) => Some(body),
                Fetched::Absent | Fetched::Missing => None,
            })
    }

    /// Whether a part was asked for and answered.
    pub fn was_fetched(&self, part: &str) -> bool {
        self.parts.iter().any(|(name, _)| name == part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_that_is_not_understood_hides_no_part() {
        let outline = outline(TransactionalKind::Exercise, b"{\"id\":true}", Details::ALL);
        assert_eq!(
            outline.parts,
            [ItemPart::Samples, ItemPart::Zones, ItemPart::Gpx]
        );
        assert_eq!(outline.version, content_version(b"{\"id\":true}"));
    }

    #[test]
    fn a_version_that_cannot_be_a_key_is_replaced_by_the_hash_of_the_body() {
        let long = "2".repeat(SAID_VERSION_MAX_BYTES + 1);
        for (said, is_kept) in [
            ("2031-05-06T05:11:42.000Z", true),
            ("2031-05-06 05:11", true),
            ("", false),
            ("2031-05-06\0", false),
            ("2031-05-06\u{e9}", false),
            (long.as_str(), false),
        ] {
            for kind in TransactionalKind::ALL {
                let body = serde_json::json!({
                    "id": 1, "date": "2031-05-06", "created": said, "upload-time": said,
                    "start-time": "2031-05-06T04:00", "duration": "PT1H",
                });
                let body = body.to_string();
                let version = outline(*kind, body.as_bytes(), Details::ALL).version;
                let hash = content_version(body.as_bytes());
                assert_eq!(
                    version,
                    if is_kept { said } else { &hash },
                    "{kind}: {said}"
                );
            }
        }
    }
}
