//! The JSON of samples, fast: what is the same for all samples of a chunk is made once.

use std::{io::Write, sync::Arc};

use super::{
    super::super::error::{Answered, ApiError},
    TimeSeriesSample,
};
use crate::store::read::series::{ChunkHead, Sample};

/// Chunks that are remembered: as many as are read side by side but for the oddest data.
const FRAMES_MAX: usize = 16;

/// What stands before the instant.
const BEGIN: &str = "{\"timestamp\":\"";

/// Writes samples.
#[derive(Debug, Default)]
pub(in super::super) struct SampleWriter(Vec<Frame>);

/// What stands around the instant and the value of each sample of a chunk.
#[derive(Debug)]
struct Frame {
    head: Arc<ChunkHead>,
    /// From behind the instant to the value.
    middle: String,
    /// From behind the value on.
    end: String,
}

impl Frame {
    /// Cut out of the JSON of a sample of the chunk.
    fn of(sample: &Sample) -> Answered<Self> {
        let json = serde_json::to_string(&TimeSeriesSample::of(sample))
            .map_err(|error| ApiError::bug(&error))?;
        // Names of devices, which may be anything, come after the unit.
        let (before, after) = json.split_once(",\"unit\":").unwrap_or_default();
        let (before, _) = before.rsplit_once(':').unwrap_or_default();
        let instant = BEGIN.len() + sample.at().to_string().len();
        let middle = before.get(instant..).unwrap_or_default();
        Ok(Self {
            head: Arc::clone(&sample.head),
            middle: format!("{middle}:"),
            end: format!(",\"unit\":{after}"),
        })
    }
}

impl SampleWriter {
    /// Appends the JSON of a [`TimeSeriesSample`].
    pub(in super::super) fn write(&mut self, out: &mut Vec<u8>, sample: &Sample) -> Answered<()> {
        let is_of = |frame: &Frame| Arc::ptr_eq(&frame.head, &sample.head);
        if !self.0.iter().any(is_of) {
            if self.0.len() >= FRAMES_MAX {
                self.0.clear();
            }
            self.0.push(Frame::of(sample)?);
        }
        if let Some(frame) = self.0.iter().find(|frame| is_of(frame)) {
            // Writing to memory does not fail.
            let _ = write!(out, "{BEGIN}{}{}", sample.at(), frame.middle);
            serde_json::to_writer(&mut *out, &sample.value)
                .map_err(|error| ApiError::bug(&error))?;
            out.extend(frame.end.as_bytes());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use uuid::Uuid;

    use super::*;
    use crate::{
        model::{ConnectionId, record::SeriesType},
        store::read::series::SampleKey,
    };

    fn sample(number: usize, device: Option<&str>, at_us: i64, value: f64) -> Sample {
        let series = SeriesType::ALL[number % SeriesType::ALL.len()];
        let head = ChunkHead {
            connection_id: ConnectionId::new(),
            record_id: Uuid::nil(),
            position: 0,
            series,
            started_at: Timestamp::UNIX_EPOCH,
            ended_at: Timestamp::UNIX_EPOCH,
            utc_offset_minutes: number.is_multiple_of(2).then_some(-90),
            interval_ms: Some(1_000),
            divisor: 1.0,
            content_hash: Vec::new(),
            device: device.map(str::to_owned),
            device_name: device.map(str::to_owned),
        };
        Sample {
            key: SampleKey {
                at_us,
                series,
                record_id: Uuid::nil(),
                position: 0,
                index: 0,
            },
            value,
            head: Arc::new(head),
        }
    }

    #[test]
    fn it_is_the_json_of_the_samples() {
        let odd = Some("\",\"unit\":\"x\u{7}:é");
        let first: Vec<_> = (0..FRAMES_MAX * 2)
            .map(|number| sample(number, odd.filter(|_| number % 3 == 0), 0, 1.0))
            .collect();
        let mut writer = SampleWriter::default();
        for (at_us, value) in [(0, 60.0), (1_500_000, -0.25), (-1, 1e300), (7, 5.138_888_9)] {
            for first in &first {
                let mut sample = first.clone();
                (sample.key.at_us, sample.value) = (at_us, value);
                let mut out = Vec::new();
                writer.write(&mut out, &sample).unwrap();
                let expected = serde_json::to_string(&TimeSeriesSample::of(&sample)).unwrap();
                assert_eq!(String::from_utf8(out).unwrap(), expected);
            }
        }
    }
}
