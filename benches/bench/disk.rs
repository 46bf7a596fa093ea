//! How fast the disk is: what every durable Postgres transaction waits for, so that numbers of
//! different machines can be compared.

use std::{fs::File, io::Write, time::Instant};

use crate::{Scale, servers::Servers, table::Row};

/// Bytes in one write: a page of Postgres' log.
const PAGE: [u8; 8192] = [7; 8192];

pub(crate) async fn measure(servers: &Servers, scale: Scale) -> Vec<Row> {
    let path = servers.folder().join("disk");
    let writes = scale.count(500);
    let times = tokio::task::spawn_blocking(move || {
        let mut file = File::create(path).expect("a writable folder");
        let write = |_| {
            let started = Instant::now();
            file.write_all(&PAGE).expect("a page written");
            file.sync_data().expect("a page on the disk");
            started.elapsed().as_secs_f64() * 1e3
        };
        (0..writes).map(write).collect::<Vec<_>>()
    });
    let row = Row::of("disk: one page made durable", "ms", &times.await.unwrap());
    vec![row.note("write of 8 KiB and fdatasync, one after the other")]
}
