//! A reader of the change feed who polls with a cursor all along, as the contract tells readers to.

use std::{sync::Arc, time::Duration};

use sqlx::{Connection as _, PgConnection, Row as _};
use tokio::{sync::Notify, task::JoinHandle};

/// Between two looks.
const EVERY: Duration = Duration::from_millis(50);

/// Rows in one look: fewer than there are at times, so that pages are turned.
const PAGE: &str = "SELECT seq, record_id::text, revision, kind, change FROM api_v1.changes
    WHERE seq > $1 ORDER BY seq LIMIT 100";

/// One row of the feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) seq: i64,
    pub(crate) record_id: String,
    pub(crate) revision: i32,
    pub(crate) kind: String,
    pub(crate) what: String,
}

/// The reader, under way.
pub(crate) struct Reader {
    stop: Arc<Notify>,
    reading: JoinHandle<Vec<Change>>,
}

impl Reader {
    /// Begins to read at the beginning.
    pub(crate) fn start(url: String) -> Self {
        let stop = Arc::new(Notify::new());
        let stopped = stop.clone();
        let reading = tokio::spawn(async move {
            let mut looks = tokio::time::interval(EVERY);
            let (mut db, mut seen) = (None, Vec::new());
            loop {
                tokio::select! {
                    () = stopped.notified() => break,
                    _ = looks.tick() => {}
                }
                // Postgres may be down: the cursor is the reader's own, and nothing is lost by that.
                let _ = look(&url, &mut db, &mut seen).await;
            }
            // Whatever was there when it was told to stop.
            while look(&url, &mut db, &mut seen).await.unwrap() > 0 {}
            seen
        });
        Self { stop, reading }
    }

    /// Reads to the end of the feed; everything that was seen, in that order.
    pub(crate) async fn stop(self) -> Vec<Change> {
        self.stop.notify_one();
        self.reading.await.unwrap()
    }
}

async fn look(
    url: &str,
    db: &mut Option<PgConnection>,
    seen: &mut Vec<Change>,
) -> Result<usize, sqlx::Error> {
    let mut connection = match db.take() {
        Some(connection) => connection,
        None => PgConnection::connect(url).await?,
    };
    let cursor = seen.last().map_or(0, |change| change.seq);
    let page = page(&mut connection, cursor).await?;
    // A connection that failed is not used again.
    *db = Some(connection);
    let rows = page.len();
    seen.extend(page);
    Ok(rows)
}

async fn page(db: &mut PgConnection, cursor: i64) -> Result<Vec<Change>, sqlx::Error> {
    let rows = sqlx::query_as::<_, (i64, String, i32, String, String)>(PAGE)
        .bind(cursor)
        .fetch_all(db)
        .await?;
    let change = |(seq, record_id, revision, kind, what)| Change {
        seq,
        record_id,
        revision,
        kind,
        what,
    };
    Ok(rows.into_iter().map(change).collect())
}

/// The whole feed as it is in the end.
pub(crate) async fn whole_feed(url: &str) -> Vec<Change> {
    let mut db = PgConnection::connect(url).await.unwrap();
    let sql =
        "SELECT seq, record_id::text, revision, kind, change FROM api_v1.changes ORDER BY seq";
    let rows = sqlx::raw_sql(sql).fetch_all(&mut db).await.unwrap();
    let change = |row: &sqlx::postgres::PgRow| Change {
        seq: row.get(0),
        record_id: row.get(1),
        revision: row.get(2),
        kind: row.get(3),
        what: row.get(4),
    };
    rows.iter().map(change).collect()
}
