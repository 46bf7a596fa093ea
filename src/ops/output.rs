//! What a command prints.

use std::io::{self, Write};

use serde::Serialize;

/// Standard output, as people or as machines read it.
#[derive(Debug)]
pub struct Output<W = io::Stdout> {
    json: bool,
    writer: W,
}

impl Output {
    /// Standard output; JSON when `json`.
    pub fn new(json: bool) -> Self {
        Self {
            json,
            writer: io::stdout(),
        }
    }
}

impl<W: Write> Output<W> {
    /// An output to `writer`.
    pub const fn to(writer: W, json: bool) -> Self {
        Self { json, writer }
    }

    /// Where data goes, for what is written line by line.
    pub const fn writer(&mut self) -> &mut W {
        &mut self.writer
    }

    /// Whether machines read it.
    pub const fn is_json(&self) -> bool {
        self.json
    }

    /// Prints `data`: one JSON document, or what `text` writes of it. A reader that has seen enough
    /// is no error.
    pub fn show<T: Serialize + ?Sized>(
        &mut self,
        data: &T,
        text: impl FnOnce(&T, &mut dyn Write) -> io::Result<()>,
    ) -> io::Result<()> {
        let written = if self.json {
            serde_json::to_writer_pretty(&mut self.writer, data)
                .map_err(io::Error::from)
                .and_then(|()| writeln!(self.writer))
        } else {
            text(data, &mut self.writer)
        };
        self.flushed(written)
    }

    /// Prints `data` as one of many: a line of JSON, or what `text` writes of it.
    pub fn show_line<T: Serialize + ?Sized>(
        &mut self,
        data: &T,
        text: impl FnOnce(&T, &mut dyn Write) -> io::Result<()>,
    ) -> io::Result<()> {
        let written = if self.json {
            serde_json::to_writer(&mut self.writer, data)
                .map_err(io::Error::from)
                .and_then(|()| writeln!(self.writer))
        } else {
            text(data, &mut self.writer)
        };
        self.flushed(written)
    }

    /// What was written is with the reader; one that has seen enough is no error.
    fn flushed(&mut self, written: io::Result<()>) -> io::Result<()> {
        match written.and_then(|()| self.writer.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            written => written,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Closed;

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn data_is_text_for_people_and_json_for_machines() {
        for (json, expected) in [(false, "2 rows\n"), (true, "{\n  \"rows\": 2\n}\n")] {
            let mut written = Vec::new();
            let data = serde_json::json!({ "rows": 2 });
            let text = |data: &serde_json::Value, out: &mut dyn Write| {
                writeln!(out, "{} rows", data["rows"])
            };
            Output::to(&mut written, json).show(&data, text).unwrap();
            assert_eq!(String::from_utf8(written).unwrap(), expected);
        }
    }

    #[test]
    fn a_reader_that_has_seen_enough_is_no_error() {
        for json in [false, true] {
            assert!(
                Output::to(Closed, json)
                    .show("x", |text, out| writeln!(out, "{text}"))
                    .is_ok()
            );
        }
    }
}
