//! Lines of a file or of standard input, one at a time and of bounded length.

use std::path::Path;

use anyhow::Context;
use tokio::{
    fs::File,
    io::{AsyncBufRead, AsyncBufReadExt, BufReader, stdin},
};
use zeroize::Zeroizing;

use super::line::{LINE_MAX_BYTES, LineError};
use crate::exit::{Code, WithExit};

/// The name that stands for standard input.
const STANDARD_INPUT: &str = "-";

/// A source of lines. They hold tokens, so all of them pass through one buffer that is wiped at the
/// end and never grows, which would leave copies behind.
pub(super) struct Lines {
    input: Box<dyn AsyncBufRead + Unpin + Send>,
    line: Zeroizing<Vec<u8>>,
    number: u64,
}

/// A line with its number, from 1.
#[derive(Debug)]
pub(super) struct Numbered<'a> {
    pub(super) number: u64,
    pub(super) text: Result<&'a [u8], LineError>,
}

/// What was read.
#[derive(PartialEq, Eq)]
enum Read {
    Line,
    TooLong,
    End,
}

impl Lines {
    /// Opens a file, or standard input for `-`.
    pub(super) async fn open(path: &Path) -> anyhow::Result<Self> {
        if path.as_os_str() == STANDARD_INPUT {
            return Ok(Self::of(BufReader::new(stdin())));
        }
        let file = File::open(path).await;
        let file = file.with_context(|| format!("cannot read {}", path.display()));
        let file = file.exit(
            Code::NotFound,
            "name a file that exists and may be read, or -",
        )?;
        Ok(Self::of(BufReader::new(file)))
    }

    fn of(input: impl AsyncBufRead + Unpin + Send + 'static) -> Self {
        Self {
            input: Box::new(input),
            line: Zeroizing::new(Vec::with_capacity(LINE_MAX_BYTES)),
            number: 0,
        }
    }

    /// The next line that is not blank; `None` at the end.
    pub(super) async fn next(&mut self) -> std::io::Result<Option<Numbered<'_>>> {
        loop {
            let read = self.read().await?;
            if read == Read::End {
                return Ok(None);
            }
            self.number += 1;
            if read == Read::TooLong || !self.line.trim_ascii().is_empty() {
                let is_whole = read == Read::Line;
                return Ok(Some(Numbered {
                    number: self.number,
                    text: if is_whole {
                        Ok(self.line.as_slice())
                    } else {
                        Err(LineError::TooLong)
                    },
                }));
            }
        }
    }

    /// Reads to the end of a line, and forgets what is beyond the limit.
    async fn read(&mut self) -> std::io::Result<Read> {
        self.line.clear();
        let mut read = Read::End;
        loop {
            let bytes = self.input.fill_buf().await?;
            if bytes.is_empty() {
                return Ok(read);
            }
            let end = bytes.iter().position(|byte| *byte == b'\n');
            let part = &bytes[..end.unwrap_or(bytes.len())];
            if read == Read::TooLong || self.line.len() + part.len() > LINE_MAX_BYTES {
                read = Read::TooLong;
            } else {
                self.line.extend_from_slice(part);
                read = Read::Line;
            }
            let used = part.len() + usize::from(end.is_some());
            self.input.consume(used);
            if end.is_some() {
                return Ok(read);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_are_numbered_and_bounded() {
        let (fits, too_long) = ("x".repeat(LINE_MAX_BYTES), "x".repeat(LINE_MAX_BYTES + 1));
        let input = format!("a\n\n  \r\n{too_long}\n{fits}\r\nb");
        // A small buffer, so that lines are met in parts.
        let reader = BufReader::with_capacity(7, std::io::Cursor::new(input.into_bytes()));
        let mut lines = Lines::of(reader);
        let mut read = Vec::new();
        while let Some(line) = lines.next().await.unwrap() {
            read.push((line.number, line.text.map(<[u8]>::len)));
        }
        let too_long = Err(LineError::TooLong);
        assert_eq!(
            read,
            [(1, Ok(1)), (4, too_long.clone()), (5, too_long), (6, Ok(1))]
        );
    }
}
