//! A chunk that is being read.

use std::{ops::Range, sync::Arc};

use super::{
    Direction, Sample,
    head::ChunkHead,
    key::{SampleKey, SampleRange},
    window::Window,
};

/// Microseconds of a millisecond.
const US_PER_MS: i64 = 1_000;

/// More than any chunk has: what is not known before the offsets are read.
const LENGTH_MAX: u32 = i32::MAX.cast_unsigned();

/// A chunk that is being read, from either end.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) head: Arc<ChunkHead>,
    /// Places that have not been given yet, in the order of instants.
    remaining: Range<u32>,
    /// Places in the order of instants, where samples do not stand in even distances.
    order: Option<Vec<u32>>,
    window: Option<Window>,
    next: Next,
}

/// What a chunk gives next.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Next {
    /// This sample.
    Ready(SampleKey, f64),
    /// Something at this instant or beyond it; a window has to be read first.
    Waiting(i64),
    /// Nothing any more.
    Done,
}

impl Open {
    pub(super) fn new(head: Arc<ChunkHead>, range: &SampleRange, direction: Direction) -> Self {
        let remaining = match step_us(&head) {
            Some(step_us) => {
                let started_us = head.started_at.as_microsecond();
                let length = (head.ended_at.as_microsecond() - started_us) / step_us + 1;
                let first = range.first_us().saturating_sub(started_us);
                let last = range.last_us().saturating_sub(started_us);
                let begin = first.saturating_add(step_us - 1).div_euclid(step_us);
                let end = last.div_euclid(step_us).saturating_add(1).min(length);
                place(begin)..place(end)
            }
            None => 0..LENGTH_MAX,
        };
        let mut open = Self {
            head,
            remaining,
            order: None,
            window: None,
            next: Next::Done,
        };
        open.advance(range, direction);
        open
    }

    /// What comes next.
    pub(super) const fn next(&self) -> Next {
        self.next
    }

    /// Gives the next sample, if it is at hand.
    pub(super) fn take(&mut self, range: &SampleRange, direction: Direction) -> Option<Sample> {
        let Next::Ready(key, value) = self.next else {
            return None;
        };
        self.pass(direction);
        self.advance(range, direction);
        Some(Sample {
            key,
            value,
            head: Arc::clone(&self.head),
        })
    }

    /// The window that is needed, of at most `length` samples: where it begins, and its length.
    pub(super) fn wanted(&self, length: u32, direction: Direction) -> (u32, u32) {
        if step_us(&self.head).is_none() {
            // Offsets need not rise, so all of them are needed to know which is the first.
            return (0, LENGTH_MAX);
        }
        let length = length.min(self.remaining.end.saturating_sub(self.remaining.start));
        match direction {
            Direction::Forward => (self.remaining.start, length),
            Direction::Backward => (self.remaining.end - length, length),
        }
    }

    /// Takes the window that was wanted.
    pub(super) fn add(&mut self, window: Window, range: &SampleRange, direction: Direction) {
        if let Some(offsets_ms) = &window.offsets_ms {
            let order = order_of(offsets_ms);
            self.remaining = 0..place(i64::try_from(order.len()).unwrap_or_default());
            self.order = Some(order);
        } else if window.values.len() == 0 {
            // There is less than the head says: nothing more can come.
            self.remaining = 0..0;
        }
        self.window = Some(window);
        self.advance(range, direction);
    }

    /// Finds the next sample that is no gap and within the range.
    fn advance(&mut self, range: &SampleRange, direction: Direction) {
        self.next = loop {
            if self.remaining.is_empty() {
                break Next::Done;
            }
            let rank = match direction {
                Direction::Forward => self.remaining.start,
                Direction::Backward => self.remaining.end - 1,
            };
            let Some((index, at_us, value)) = self.at(rank) else {
                break Next::Waiting(self.bound(rank, direction));
            };
            let key = SampleKey {
                at_us,
                series: self.head.series,
                record_id: self.head.record_id,
                position: self.head.position,
                index,
            };
            match value {
                Some(value) if range.contains(&key) => break Next::Ready(key, value),
                _ => self.pass(direction),
            }
        };
        if self.next == Next::Done {
            self.window = None;
        }
    }

    fn pass(&mut self, direction: Direction) {
        match direction {
            Direction::Forward => self.remaining.start += 1,
            Direction::Backward => self.remaining.end -= 1,
        }
    }

    /// The place, the instant and the value of the sample of a rank, where its window is at hand.
    fn at(&self, rank: u32) -> Option<(u32, i64, Option<f64>)> {
        let window = self.window.as_ref()?;
        let index = match &self.order {
            Some(order) => *order.get(rank as usize)?,
            None => rank,
        };
        let within = index.checked_sub(window.first)? as usize;
        if within >= window.values.len() {
            return None;
        }
        let at_us = match &window.offsets_ms {
            Some(offsets_ms) => {
                let from_begin_ms = i64::from(*offsets_ms.get(within)?);
                self.head.started_at.as_microsecond() + from_begin_ms * US_PER_MS
            }
            None => self.even_us(index)?,
        };
        let value = window.values.get(within);
        Some((index, at_us, value.map(|value| value / self.head.divisor)))
    }

    fn even_us(&self, index: u32) -> Option<i64> {
        Some(self.head.started_at.as_microsecond() + i64::from(index) * step_us(&self.head)?)
    }

    /// An instant that the sample of a rank does not come before, in the direction.
    fn bound(&self, rank: u32, direction: Direction) -> i64 {
        self.even_us(rank).unwrap_or(match direction {
            Direction::Forward => self.head.started_at.as_microsecond(),
            Direction::Backward => self.head.ended_at.as_microsecond(),
        })
    }
}

fn step_us(head: &ChunkHead) -> Option<i64> {
    Some(i64::from(head.interval_ms?.max(1)) * US_PER_MS)
}

/// Places in the order of their instants.
fn order_of(offsets_ms: &[i32]) -> Vec<u32> {
    let mut order: Vec<_> = (0..).take(offsets_ms.len()).collect();
    // Stable: of two at one instant the first comes first.
    order.sort_by_key(|index: &u32| offsets_ms.get(*index as usize));
    order
}

/// A place within a chunk.
fn place(place: i64) -> u32 {
    u32::try_from(place.clamp(0, i64::from(LENGTH_MAX))).unwrap_or_default()
}
