//! `users export USER`: everything that is stored of a user, as JSON lines.
//!
//! ```text
//! {"type":"user","user_id":"user_001","email":null,...}
//! {"type":"workout",...}
//! {"type":"raw_body","sha256":"...","text":"{...}"}
//! {"type":"end","lines":812,"counts":{"user":1,"workout":14,...}}
//! ```
//!
//! Each line is written as Postgres sends it, so memory holds one at a time. Only an export with its
//! last line is whole.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::{self, BufWriter, ErrorKind, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use anyhow::Context;
use base64::{Engine, prelude::BASE64_STANDARD};
use futures::TryStreamExt;
use serde::Serialize;

use crate::{
    cli::UsersExportArgs,
    config::Config,
    exit::{Code, Failure},
    ops::{Output, reach},
    store::export::{Export, ExportedBody, Section},
};

/// The `type` of lines that hold a body as Polar sent it.
const RAW_BODY: &str = "raw_body";

/// The `type` of the last line.
const END: &str = "end";

/// Exports a user.
pub(super) async fn run(
    config: &Config,
    args: &UsersExportArgs,
    output: &mut Output<impl Write>,
) -> anyhow::Result<()> {
    let store = reach::postgres(config, "users export").await?;
    let export = store.export(&args.user).await?;
    let mut export = export.ok_or_else(|| reach::no_connection(&args.user))?;
    let Some(path) = &args.output else {
        let mut lines = Lines::to(BufWriter::new(output.writer()));
        return match write_all(&mut export, &mut lines).await {
            // A reader that has seen enough is no error.
            Err(error) if is_broken_pipe(&error) => Ok(()),
            written => written,
        };
    };
    let mut file = BufWriter::new(create(path)?);
    let mut lines = Lines::to(&mut file);
    let written = write_all(&mut export, &mut lines).await;
    let whole = written.and_then(|()| Ok(file.get_ref().sync_all()?));
    whole.with_context(|| format!("{} is not a whole export", path.display()))
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}

/// A new file that only its owner may read.
fn create(path: &Path) -> Result<File, Failure> {
    let mut options = OpenOptions::new();
    let opened = options.write(true).create_new(true).mode(0o600).open(path);
    opened.map_err(|error| {
        let next_step = match error.kind() {
            ErrorKind::AlreadyExists => "name another one: an export overwrites nothing",
            _ => "name a file in a folder that exists and that you may write to",
        };
        let cause = anyhow::Error::new(error).context(format!("create {}", path.display()));
        Failure::of(cause, Code::Refused, next_step)
    })
}

async fn write_all(export: &mut Export, lines: &mut Lines<impl Write>) -> anyhow::Result<()> {
    for section in Section::ALL {
        lines.begin(section.as_str());
        let mut rows = export.rows(*section);
        while let Some(row) = rows.try_next().await? {
            lines.row(section.as_str(), &row)?;
        }
    }
    lines.begin(RAW_BODY);
    let mut bodies = export.bodies();
    while let Some(body) = bodies.try_next().await? {
        lines.body(&body)?;
    }
    lines.end()?;
    Ok(())
}

/// A body: as text where it is some, else in Base64.
#[derive(Serialize)]
struct Body<'a> {
    r#type: &'static str,
    connection_id: uuid::Uuid,
    sha256: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
}

/// What the export holds: a reader that does not find this line has a part of it only.
#[derive(Serialize)]
struct End<'a> {
    r#type: &'static str,
    /// Lines before this one.
    lines: u64,
    /// The same by type.
    counts: &'a BTreeMap<&'static str, u64>,
}

/// Writes lines, and counts them.
struct Lines<W> {
    writer: W,
    counts: BTreeMap<&'static str, u64>,
}

impl<W: Write> Lines<W> {
    const fn to(writer: W) -> Self {
        Self {
            writer,
            counts: BTreeMap::new(),
        }
    }

    /// From here on lines of this type may follow: it is counted even when none does.
    fn begin(&mut self, r#type: &'static str) {
        self.counts.entry(r#type).or_default();
    }

    fn count(&mut self, r#type: &'static str) {
        *self.counts.entry(r#type).or_default() += 1;
    }

    /// A row of Postgres: an object that gets its type.
    fn row(&mut self, r#type: &'static str, object: &str) -> io::Result<()> {
        self.count(r#type);
        // Columns have values without line breaks, and every row has columns.
        let fields = object.strip_prefix('{').unwrap_or(object);
        writeln!(self.writer, r#"{{"type":"{type}",{fields}"#)
    }

    fn body(&mut self, exported: &ExportedBody) -> io::Result<()> {
        self.count(RAW_BODY);
        let text = std::str::from_utf8(&exported.body).ok();
        let body = Body {
            r#type: RAW_BODY,
            connection_id: exported.connection_id,
            sha256: &exported.sha256,
            text,
            base64: text
                .is_none()
                .then(|| BASE64_STANDARD.encode(&exported.body)),
        };
        self.json(&body)
    }

    fn end(&mut self) -> io::Result<()> {
        let counts = std::mem::take(&mut self.counts);
        self.json(&End {
            r#type: END,
            lines: counts.values().sum(),
            counts: &counts,
        })?;
        self.writer.flush()
    }

    fn json(&mut self, line: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut self.writer, line)?;
        self.writer.write_all(b"\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Lines<&mut Vec<u8>>)) -> Vec<serde_json::Value> {
        let mut bytes = Vec::new();
        write(&mut Lines::to(&mut bytes));
        let text = String::from_utf8(bytes).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    #[test]
    fn a_body_is_text_where_it_is_some() {
        let body = |body: &[u8]| ExportedBody {
            sha256: "00".to_owned(),
            connection_id: uuid::Uuid::nil(),
            body: body.to_vec(),
        };
        let lines = written(|lines| {
            lines.body(&body("{\"a\":\n\"ä\"}".as_bytes())).unwrap();
            lines.body(&body(b"\xff\x00")).unwrap();
            lines.end().unwrap();
        });
        assert_eq!(lines[0]["text"], "{\"a\":\n\"ä\"}");
        assert_eq!(lines[0].get("base64"), None);
        assert_eq!(
            (lines[1].get("text"), &lines[1]["base64"]),
            (None, &"/wA=".into())
        );
        let end = serde_json::json!({ "type": "end", "lines": 2, "counts": { "raw_body": 2 } });
        assert_eq!(lines[2], end);
    }

    #[test]
    fn a_type_without_lines_is_counted_too() {
        let lines = written(|lines| {
            lines.begin("dead");
            lines.begin("user");
            lines.row("user", r#"{"user_id":"user_001"}"#).unwrap();
            lines.end().unwrap();
        });
        let user = serde_json::json!({ "type": "user", "user_id": "user_001" });
        assert_eq!(lines[0], user);
        let counts = serde_json::json!({ "dead": 0, "user": 1 });
        assert_eq!(
            (&lines[1]["lines"], &lines[1]["counts"]),
            (&1.into(), &counts)
        );
    }
}
