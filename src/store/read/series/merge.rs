//! The merge of chunks: pure, so that it can be tried without a database. It says what it needs, is given it, and
//! gives samples.

use std::{cmp::Ordering, collections::VecDeque, sync::Arc};

use super::{
    super::super::records::SPAN_MAX,
    Direction, Sample,
    head::ChunkHead,
    key::SampleRange,
    open::{Next, Open},
    window::{Wanted, Window},
};

/// Samples in memory, of all open chunks together: what one reader costs.
const SAMPLES_HELD: u32 = 8_192;

/// The shortest and the longest window. A short one costs a round trip for little, a long one memory.
const WINDOW_MIN: u32 = 512;
const WINDOW_MAX: u32 = 4_096;

/// The most windows that are read at once.
const WINDOWS_MAX: usize = 16;

/// A window that is needed within this time of the next sample is read with it.
const AHEAD_US: i64 = 10 * 60 * 1_000_000;

/// What the merge does next.
#[derive(Debug)]
pub(super) enum Step {
    /// It gives this.
    Sample(Sample),
    /// It needs to know more chunks.
    NeedsHeads,
    /// It needs these parts of them.
    NeedsWindows(Vec<Wanted>),
    /// That was all.
    End,
}

/// Chunks that are read side by side.
#[derive(Debug)]
pub(super) struct Merge {
    range: SampleRange,
    direction: Direction,
    /// Chunks that are known and come later.
    known: VecDeque<Arc<ChunkHead>>,
    /// From where on chunks may lie that are not known yet; `None` when all are known.
    unknown_from_us: Option<i64>,
    open: Vec<Open>,
}

impl Merge {
    pub(super) fn new(range: SampleRange, direction: Direction) -> Self {
        let unknown_from_us = match direction {
            Direction::Forward => i64::MIN,
            Direction::Backward => i64::MAX,
        };
        Self {
            range,
            direction,
            known: VecDeque::new(),
            unknown_from_us: Some(unknown_from_us),
            open: Vec::new(),
        }
    }

    /// Takes more chunks, in the order of their begins.
    pub(super) fn add_heads(&mut self, heads: Vec<Arc<ChunkHead>>, are_all: bool) {
        let last = heads.last().map(|head| self.reach_us(head));
        self.unknown_from_us = if are_all {
            None
        } else {
            last.or(self.unknown_from_us)
        };
        self.known.extend(heads);
    }

    /// Takes the windows that were needed.
    pub(super) fn add_windows(&mut self, wanted: &[Wanted], windows: Vec<Window>) {
        for (wanted, window) in wanted.iter().zip(windows) {
            if let Some(open) = self.open.get_mut(wanted.slot) {
                open.add(window, &self.range, self.direction);
            }
        }
        self.open.retain(|open| open.next() != Next::Done);
    }

    pub(super) fn step(&mut self) -> Step {
        loop {
            let first = self.first();
            let first_us = first.and_then(|slot| instant_us(self.open.get(slot)?.next()));
            if let Some(head) = self.known.front() {
                if self.may_precede(self.reach_us(head), first_us) {
                    self.open_next();
                    continue;
                }
            } else if let Some(unknown_us) = self.unknown_from_us
                && self.may_precede(unknown_us, first_us)
            {
                return Step::NeedsHeads;
            }
            let Some(slot) = first else {
                return Step::End;
            };
            match self.take(slot) {
                Some(sample) => return Step::Sample(sample),
                None => return Step::NeedsWindows(self.wanted(slot)),
            }
        }
    }

    fn open_next(&mut self) {
        if let Some(head) = self.known.pop_front() {
            let open = Open::new(head, &self.range, self.direction);
            if open.next() != Next::Done {
                self.open.push(open);
            }
        }
    }

    fn take(&mut self, slot: usize) -> Option<Sample> {
        let open = self.open.get_mut(slot)?;
        let sample = open.take(&self.range, self.direction)?;
        if open.next() == Next::Done {
            self.open.swap_remove(slot);
        }
        Some(sample)
    }

    /// The open chunk that gives the next sample.
    fn first(&self) -> Option<usize> {
        let nexts = self.open.iter().map(Open::next).enumerate();
        let first = nexts.min_by(|(_, one), (_, other)| self.order(one, other));
        first.map(|(slot, _)| slot)
    }

    /// What is not known yet comes first: it may be anything of its instant.
    fn order(&self, one: &Next, other: &Next) -> Ordering {
        let directed = |order: Ordering| match self.direction {
            Direction::Forward => order,
            Direction::Backward => order.reverse(),
        };
        match (one, other) {
            (Next::Ready(one, _), Next::Ready(other, _)) => directed(one.cmp(other)),
            _ => directed(instant_us(*one).cmp(&instant_us(*other))).then_with(|| {
                let is_ready = |next: &Next| matches!(next, Next::Ready(..));
                is_ready(one).cmp(&is_ready(other))
            }),
        }
    }

    /// Whether a chunk that reaches to `reach_us` may have a sample that comes before the first one at hand.
    fn may_precede(&self, reach_us: i64, first_us: Option<i64>) -> bool {
        first_us.is_none_or(|first_us| match self.direction {
            Direction::Forward => reach_us <= first_us,
            Direction::Backward => reach_us >= first_us,
        })
    }

    /// How far a chunk, and every chunk that follows it in the order of begins, reaches.
    fn reach_us(&self, head: &ChunkHead) -> i64 {
        let started_us = head.started_at.as_microsecond();
        match self.direction {
            Direction::Forward => started_us,
            Direction::Backward => {
                let span_us = i64::try_from(SPAN_MAX.as_micros()).unwrap_or(i64::MAX);
                started_us.saturating_add(span_us)
            }
        }
    }

    /// The windows to read: that of the first chunk, and those that are needed soon.
    fn wanted(&self, first: usize) -> Vec<Wanted> {
        let count = u32::try_from(self.open.len()).unwrap_or(u32::MAX).max(1);
        let length = (SAMPLES_HELD / count).clamp(WINDOW_MIN, WINDOW_MAX);
        let waits_us = |open: &Open| match open.next() {
            Next::Waiting(at_us) => Some(at_us),
            Next::Ready(..) | Next::Done => None,
        };
        let first_us = self.open.get(first).and_then(waits_us).unwrap_or_default();
        let mut slots = vec![first];
        let soon = self.open.iter().enumerate().filter(|(slot, open)| {
            let is_soon = |at_us: i64| at_us.abs_diff(first_us) <= AHEAD_US.unsigned_abs();
            *slot != first && waits_us(open).is_some_and(is_soon)
        });
        slots.extend(soon.map(|(slot, _)| slot).take(WINDOWS_MAX - 1));
        let wanted = slots.into_iter().filter_map(|slot| {
            let open = self.open.get(slot)?;
            let (first, length) = open.wanted(length, self.direction);
            Some(Wanted {
                slot,
                head: Arc::clone(&open.head),
                first,
                length,
            })
        });
        wanted.collect()
    }
}

fn instant_us(next: Next) -> Option<i64> {
    match next {
        Next::Ready(key, _) => Some(key.at_us),
        Next::Waiting(at_us) => Some(at_us),
        Next::Done => None,
    }
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::{
        super::{super::super::records::Values, key::SampleKey},
        *,
    };
    use crate::model::{ConnectionId, record::SeriesType};

    /// Heads that are given at a time: few, so that there are many rounds.
    const HEADS: usize = 3;

    /// A chunk as it lies in the database.
    #[derive(Debug, Clone)]
    struct Stored {
        head: Arc<ChunkHead>,
        offsets_ms: Option<Vec<i32>>,
        values: Vec<Option<i16>>,
    }

    impl Stored {
        fn keys(&self) -> impl Iterator<Item = SampleKey> {
            let places = (0..).zip(&self.values);
            places
                .filter(|(_, value)| value.is_some())
                .map(|(index, _)| {
                    let offset_ms = match &self.offsets_ms {
                        Some(offsets_ms) => offsets_ms[index as usize].into(),
                        None => i64::from(index) * i64::from(self.head.interval_ms.unwrap()),
                    };
                    SampleKey {
                        at_us: self.head.started_at.as_microsecond() + offset_ms * 1_000,
                        series: self.head.series,
                        record_id: self.head.record_id,
                        position: self.head.position,
                        index,
                    }
                })
        }

        fn window(&self, wanted: &Wanted) -> Window {
            let first = wanted.first as usize;
            let last = (first + wanted.length as usize).min(self.values.len());
            Window {
                first: wanted.first,
                offsets_ms: self.offsets_ms.clone(),
                values: Values::Small(self.values[first.min(last)..last].to_vec()),
            }
        }
    }

    fn stored() -> impl Strategy<Value = Stored> {
        let values =
            proptest::collection::vec(proptest::option::weighted(0.8, any::<i16>()), 1..30);
        let offsets = proptest::collection::vec(0_i32..90_000, 30);
        let times = prop_oneof![
            (1_i32..5_000).prop_map(|interval_ms| (Some(interval_ms), None)),
            offsets.prop_map(|offsets_ms| (None, Some(offsets_ms))),
        ];
        let series = proptest::sample::select(SeriesType::ALL);
        (values, times, series, 0_i64..300, 0_u128..4).prop_map(
            |(values, (interval_ms, offsets_ms), series, second, record)| {
                let offsets_ms = offsets_ms.map(|mut offsets_ms: Vec<i32>| {
                    offsets_ms.truncate(values.len());
                    offsets_ms[0] = 0;
                    offsets_ms
                });
                let steps = i64::try_from(values.len()).unwrap() - 1;
                let span_ms = match &offsets_ms {
                    Some(offsets_ms) => i64::from(*offsets_ms.iter().max().unwrap()),
                    None => steps * i64::from(interval_ms.unwrap()),
                };
                let started_at = Timestamp::from_second(second).unwrap();
                let head = ChunkHead {
                    connection_id: ConnectionId(Uuid::nil()),
                    record_id: Uuid::from_u128(record),
                    position: 0,
                    series,
                    started_at,
                    ended_at: started_at + SignedDuration::from_millis(span_ms),
                    utc_offset_minutes: None,
                    interval_ms,
                    divisor: 1.0,
                    content_hash: Vec::new(),
                    device: None,
                    device_name: None,
                };
                Stored {
                    head: Arc::new(head),
                    offsets_ms,
                    values,
                }
            },
        )
    }

    /// Runs a merge over what is stored.
    fn read(stored: &[Stored], range: SampleRange, direction: Direction) -> Vec<SampleKey> {
        let mut left: VecDeque<_> = stored.iter().map(|chunk| Arc::clone(&chunk.head)).collect();
        let order = |head: &Arc<ChunkHead>| (head.started_at, head.record_id, head.position);
        left.make_contiguous().sort_by_key(order);
        if direction == Direction::Backward {
            left.make_contiguous().reverse();
        }
        let mut merge = Merge::new(range, direction);
        let mut keys = Vec::new();
        loop {
            match merge.step() {
                Step::Sample(sample) => keys.push(sample.key),
                Step::End => return keys,
                Step::NeedsHeads => {
                    let heads: Vec<_> = left.drain(..left.len().min(HEADS)).collect();
                    let are_all = heads.len() < HEADS;
                    merge.add_heads(heads, are_all);
                }
                Step::NeedsWindows(wanted) => {
                    assert!(wanted.len() <= WINDOWS_MAX);
                    let windows = wanted.iter().map(|wanted| {
                        let of = |chunk: &&Stored| chunk.head.position == wanted.head.position;
                        stored.iter().find(of).unwrap().window(wanted)
                    });
                    let windows = windows.collect();
                    merge.add_windows(&wanted, windows);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn samples_of_any_chunks_come_in_their_order_from_either_end(
            mut chunks in proptest::collection::vec(stored(), 0..20),
            cut in any::<[prop::sample::Index; 2]>(),
        ) {
            // Each chunk has a position of its own, as those of one record do.
            for (position, chunk) in (0..).zip(&mut chunks) {
                Arc::make_mut(&mut chunk.head).position = position;
            }
            let mut expected: Vec<_> = chunks.iter().flat_map(Stored::keys).collect();
            expected.sort();
            prop_assert_eq!(&read(&chunks, SampleRange::all(), Direction::Forward), &expected);
            let mut backward = read(&chunks, SampleRange::all(), Direction::Backward);
            backward.reverse();
            prop_assert_eq!(&backward, &expected);

            if expected.is_empty() {
                return Ok(());
            }
            let [mut first, mut last] = cut.map(|cut| cut.index(expected.len()));
            if last < first {
                std::mem::swap(&mut first, &mut last);
            }
            let range = SampleRange {
                after: Some(expected[first]),
                before: Some(expected[last]),
                ..SampleRange::all()
            };
            let between: Vec<_> = expected
                .iter()
                .copied()
                .filter(|key| *key > expected[first] && *key < expected[last])
                .collect();
            prop_assert_eq!(&read(&chunks, range, Direction::Forward), &between);
            let mut backward = read(&chunks, range, Direction::Backward);
            backward.reverse();
            prop_assert_eq!(backward, between);
        }
    }
}
