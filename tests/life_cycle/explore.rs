//! Explores every state that a machine can reach, breadth first, so that what is found first is the
//! shortest way to it.

use std::{
    collections::{HashMap, VecDeque},
    fmt::Write,
    hash::{Hash, Hasher},
};

use crate::{
    decisions::Decisions,
    ledger::{Promise, Violation},
    machine::{Action, Machine, State},
};

/// The most states of one configuration: a bound that is hit is an error, not a result.
const STATES_MAX: usize = 20_000_000;

/// What was found.
#[derive(Debug)]
pub(crate) struct Explored {
    pub(crate) states: usize,
    /// The first broken promise, and how it came to it.
    pub(crate) broken: Option<Broken>,
}

/// A broken promise with the shortest way to it, a line a step.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) violation: Violation,
    pub(crate) trace: String,
}

/// A state that was reached, without the state itself: that can be had again from the way to it.
struct Node {
    parent: u32,
    /// The place of the action among those of the parent.
    action: u8,
    is_in_step: bool,
}

struct Graph<'a, D> {
    machine: &'a Machine<D>,
    nodes: Vec<Node>,
    places: HashMap<u128, u32>,
    /// What happens if nothing else goes wrong, from and to.
    fair: Vec<(u32, u32)>,
}

/// 128 bits that stand for a state. The library's hasher takes most of the time in a build that is not
/// optimized, and gives 64.
fn fingerprint(state: &State) -> u128 {
    let mut mixer = Mixer(0, 0);
    state.hash(&mut mixer);
    (u128::from(mixer.0) << 64) | u128::from(mixer.1)
}

struct Mixer(u64, u64);

impl Mixer {
    const fn mix(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.1 =
            (self.1.rotate_left(29) ^ word ^ (self.0 >> 32)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    }
}

impl Hasher for Mixer {
    fn finish(&self) -> u64 {
        self.0 ^ self.1
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let word = chunk
                .iter()
                .fold(1, |word, byte| (word << 8) | u64::from(*byte));
            self.mix(word);
        }
    }

    fn write_u8(&mut self, byte: u8) {
        self.mix(byte.into());
    }

    fn write_u64(&mut self, word: u64) {
        self.mix(word);
    }

    fn write_usize(&mut self, word: usize) {
        self.mix(word as u64);
    }
}

/// Explores a machine to its end, or to the first broken promise.
pub(crate) fn explore<D: Decisions>(machine: &Machine<D>) -> Explored {
    let mut graph = Graph {
        machine,
        nodes: Vec::new(),
        places: HashMap::new(),
        fair: Vec::new(),
    };
    let broken = graph.fill().or_else(|| graph.never_in_step());
    Explored {
        states: graph.nodes.len(),
        broken,
    }
}

impl<D: Decisions> Graph<'_, D> {
    fn place(&mut self, state: &State, parent: u32, action: u8) -> (u32, bool) {
        let hash = fingerprint(state);
        let next = u32::try_from(self.nodes.len()).unwrap();
        let place = *self.places.entry(hash).or_insert(next);
        if place == next {
            assert!(self.nodes.len() < STATES_MAX, "there are too many states");
            self.nodes.push(Node {
                parent,
                action,
                is_in_step: state.is_in_step(),
            });
        }
        (place, place == next)
    }

    fn fill(&mut self) -> Option<Broken> {
        let start = self.machine.start();
        let (place, _) = self.place(&start, 0, 0);
        let mut waiting = VecDeque::from([(place, start)]);
        while let Some((place, state)) = waiting.pop_front() {
            let actions = self.machine.actions(&state);
            for (nth, (action, is_fair)) in actions.iter().enumerate() {
                let next = match self.machine.next(&state, *action, &mut None) {
                    Ok(next) => next,
                    Err(violation) => return Some(self.broken(violation, place, Some(*action))),
                };
                let (next_place, is_new) = self.place(&next, place, u8::try_from(nth).unwrap());
                if *is_fair {
                    self.fair.push((place, next_place));
                }
                if is_new {
                    waiting.push_back((next_place, next));
                }
            }
        }
        None
    }

    /// A state from which, with nothing else going wrong, it may never end in step: because nothing
    /// happens there, or because what happens leads round in a circle. The set of the states that must
    /// end in step grows backwards from those that are: by each state all of whose ways lead into it.
    fn never_in_step(&self) -> Option<Broken> {
        let mut ways = vec![0_u32; self.nodes.len()];
        let mut back = vec![Vec::new(); self.nodes.len()];
        for (from, to) in &self.fair {
            ways[*from as usize] += 1;
            back[*to as usize].push(*from);
        }
        let mut ends: Vec<bool> = self.nodes.iter().map(|node| node.is_in_step).collect();
        let mut grown: Vec<_> = (0..self.nodes.len()).filter(|place| ends[*place]).collect();
        while let Some(place) = grown.pop() {
            for from in &back[place] {
                let from = *from as usize;
                ways[from] -= 1;
                if ways[from] == 0 && !ends[from] {
                    ends[from] = true;
                    grown.push(from);
                }
            }
        }
        let place = ends.iter().position(|ends| !ends)?;
        let place = u32::try_from(place).unwrap();
        let circle = self.circle(place, &ends);
        let how = format!("from here it may never end in step:\n{circle}");
        Some(self.broken(Promise::EndsInStep.broken(how), place, None))
    }

    /// How it goes on from a state without ever ending in step.
    fn circle(&self, place: u32, ends: &[bool]) -> String {
        let (mut at, mut seen, mut text) = (place, Vec::new(), String::new());
        while !seen.contains(&at) {
            seen.push(at);
            let state = self.state(at);
            let step = self
                .machine
                .actions(&state)
                .into_iter()
                .find_map(|(action, is_fair)| {
                    let mut said = Some(String::new());
                    let next = self.machine.next(&state, action, &mut said).ok()?;
                    let to = self.places[&fingerprint(&next)];
                    (is_fair && !ends[to as usize]).then_some((to, said.unwrap(), next))
                });
            let Some((to, said, next)) = step else {
                text.push_str("      nothing can happen\n");
                return text;
            };
            line(&mut text, "", &said, &next);
            at = to;
        }
        text.push_str("      and so on\n");
        text
    }

    /// The actions that lead to a place.
    fn way(&self, place: u32) -> Vec<u8> {
        let mut way = Vec::new();
        let mut at = place;
        while at != 0 {
            let node = &self.nodes[at as usize];
            way.push(node.action);
            at = node.parent;
        }
        way.reverse();
        way
    }

    fn state(&self, place: u32) -> State {
        let mut state = self.machine.start();
        for nth in self.way(place) {
            let (action, _) = self.machine.actions(&state)[usize::from(nth)];
            state = self.machine.next(&state, action, &mut None).unwrap();
        }
        state
    }

    fn broken(&self, violation: Violation, place: u32, last: Option<Action>) -> Broken {
        let mut state = self.machine.start();
        let mut trace = String::new();
        line(&mut trace, "0", "the beginning", &state);
        let mut steps = 0;
        for nth in self.way(place) {
            let (action, _) = self.machine.actions(&state)[usize::from(nth)];
            let mut said = Some(String::new());
            state = self.machine.next(&state, action, &mut said).unwrap();
            steps += 1;
            line(&mut trace, &steps.to_string(), &said.unwrap(), &state);
        }
        if let Some(action) = last {
            let mut said = Some(String::new());
            assert!(self.machine.next(&state, action, &mut said).is_err());
            writeln!(trace, "{:>4}  {}", steps + 1, said.unwrap()).unwrap();
        }
        writeln!(trace, "      {:?}: {}", violation.promise, violation.how).unwrap();
        Broken { violation, trace }
    }
}

fn line(text: &mut String, number: &str, said: &str, state: &State) {
    writeln!(text, "{number:>4}  {said:<90} {}", state.text()).unwrap();
}
