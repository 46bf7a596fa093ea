//! Before the transactions of a run that is to bring back what is not stored any more: what is kept raw
//! is read again, without a call to Polar.

use super::{
    Failure, Run,
    complete::SHOWN_FOR,
    item::{Fetched, FetchedItem, SUMMARY},
    record::{count, store_record},
    rows::{Origins, rows},
};
use crate::{
    accesslink::{
        Error, Operation,
        call::ItemPart,
        error::{Broken, Meaning},
        wire,
    },
    model::TransactionalKind,
    store::{
        event::Counts,
        raw,
        restore::{LostParts, Orphan},
    },
};

/// The beginning of the names of parts that hold a series.
const SERIES: &str = "samples/";

/// Reads again what is kept raw of a kind and has no record. Gives the parts of workouts that are lost:
/// what Polar still shows of them is for [`complete`](super::complete) to fetch.
pub(super) async fn restore(
    run: &Run<'_>,
    kind: TransactionalKind,
    counts: &mut Counts,
) -> Result<Vec<LostParts>, Failure> {
    let connection = run.lease.connection_id;
    let mut lost = Vec::new();
    if kind == TransactionalKind::Exercise {
        let since = run.clock.now() - SHOWN_FOR;
        let mut tx = run.store.begin_fenced("note_lost", &run.lease).await?;
        lost = tx.note_lost_parts(connection, run.user_id(), since).await?;
        tx.commit().await?;
    }
    let also: Vec<_> = lost
        .iter()
        .filter_map(|parts| Some(parts.polar_id?.to_string()))
        .collect();
    for orphan in run.store.orphans(connection, kind.into(), &also).await? {
        read_again(run, kind, &orphan, counts).await?;
    }
    Ok(lost)
}

/// Stores the record of an item that is kept raw. An older offer of what is stored changes nothing.
async fn read_again(
    run: &Run<'_>,
    kind: TransactionalKind,
    orphan: &Orphan,
    counts: &mut Counts,
) -> Result<(), Failure> {
    let connection = run.lease.connection_id;
    let kept = raw::load(
        run.store,
        connection,
        kind.into(),
        &orphan.item,
        &orphan.version,
    )
    .await?;
    let Some(item) = kept_item(orphan, kept) else {
        return Ok(());
    };
    let origins = Origins {
        connection,
        kind,
        fetched_at: run.clock.now(),
    };
    let rows = rows(origins, &item, run.wanted())?;
    let mut tx = run.store.begin_fenced("restore", &run.lease).await?;
    let change = match &rows.record {
        Some(record) => Some(store_record(&mut tx, run, record).await?),
        None => None,
    };
    for body in &rows.quarantine {
        raw::quarantine_put(&mut tx, body).await?;
    }
    tx.commit().await?;
    if let Some(change) = change {
        count(kind.into(), change, counts);
    }
    Ok(())
}

/// The item as it was fetched.
fn kept_item(
    orphan: &Orphan,
    kept: impl IntoIterator<Item = (String, Option<Vec<u8>>)>,
) -> Option<FetchedItem> {
    let fetched =
        |body: Option<Vec<u8>>| body.map_or(Fetched::Absent, |it| Fetched::Body(it.into()));
    let mut parts: Vec<_> = kept
        .into_iter()
        .map(|(part, body)| (part, fetched(body)))
        .collect();
    parts.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut item = FetchedItem {
        item_id: orphan.item.parse().ok()?,
        version: orphan.version.clone(),
        parts,
        broken: None,
    };
    item.body(SUMMARY)?;
    if lacks_series(&item) {
        item.broken = Some(Error {
            operation: Operation::GetPart,
            meaning: Meaning::Broken(Broken::CutOff),
        });
    }
    Some(item)
}

/// Whether its list of samples names more series than are kept: those that are would look like all.
fn lacks_series(item: &FetchedItem) -> bool {
    let list = item.body(&ItemPart::Samples.path());
    let Some(Ok(named)) = list.map(|list| wire::sample_items(list)) else {
        return false;
    };
    let is_series = |part: &&(String, Fetched)| part.0.starts_with(SERIES);
    item.parts.iter().filter(is_series).count() < named.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(parts: &[(&str, Option<&str>)]) -> Option<FetchedItem> {
        let orphan = Orphan {
            item: "412".to_owned(),
            version: "v".to_owned(),
        };
        let kept = parts.iter().map(|(part, body)| {
            let body = body.map(|body| body.as_bytes().to_vec());
            ((*part).to_owned(), body)
        });
        kept_item(&orphan, kept)
    }

    #[test]
    fn an_item_that_was_kept_in_part_is_not_taken_for_whole() {
        let list = r#"{"samples":["https://h/0","https://h/3"]}"#;
        let whole = [
            ("summary", Some("{}")),
            ("samples", Some(list)),
            ("samples/0", Some("{}")),
            ("samples/3", None),
        ];
        assert_eq!(item(&whole).unwrap().broken, None);
        assert!(item(&whole[..3]).unwrap().broken.is_some());
        assert_eq!(item(&whole[..1]).unwrap().broken, None);
    }

    #[test]
    fn without_a_summary_there_is_nothing_to_read() {
        assert!(item(&[("samples", Some("{}")), ("summary", None)]).is_none());
    }
}
