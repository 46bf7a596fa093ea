//! The processes of polar-sync that a campaign disturbs, each with a log of its own.

use std::{
    fs::File,
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::Stdio,
};

use super::{
    plan::{SCHEDULERS, WORKERS},
    processes::Role,
    world::within,
};

/// The signal that tells a process to stop.
const SIGTERM: i32 = 15;

/// All processes, schedulers first.
pub(crate) struct Fleet {
    seats: Vec<Seat>,
    environment: Vec<(String, String)>,
    logs: PathBuf,
    /// What a process did that no disturbance explains.
    pub(crate) misdeeds: Vec<String>,
}

/// The place of a process; one that ends is followed by another.
struct Seat {
    role: &'static str,
    name: String,
    starts: u32,
    state: State,
}

enum State {
    Running(Role),
    Frozen(Role),
    /// It was told to stop.
    Ending(Role),
    Gone,
}

impl Fleet {
    /// Starts everybody.
    pub(crate) fn start(environment: Vec<(String, String)>, logs: &Path) -> Self {
        let schedulers = (0..SCHEDULERS).map(|number| ("scheduler", number));
        let workers = (0..WORKERS).map(|number| ("worker", number));
        let seats = schedulers.chain(workers).map(|(role, number)| Seat {
            role,
            name: format!("{role}-{number}"),
            starts: 0,
            state: State::Gone,
        });
        let mut fleet = Self {
            seats: seats.collect(),
            environment,
            logs: logs.to_owned(),
            misdeeds: Vec::new(),
        };
        (0..fleet.seats.len()).for_each(|seat| fleet.spawn(seat));
        fleet
    }

    /// The process id, while it runs.
    pub(crate) fn pid(&self, seat: usize) -> Option<u32> {
        match &self.seats[seat].state {
            State::Running(role) | State::Frozen(role) | State::Ending(role) => role.child.id(),
            State::Gone => None,
        }
    }

    /// `kill -9`.
    pub(crate) async fn kill(&mut self, seat: usize) {
        if let Some(role) = self.take_running(seat) {
            role.kill().await;
        }
    }

    /// SIGSTOP.
    pub(crate) async fn freeze(&mut self, seat: usize) {
        if let Some(role) = self.take_running(seat) {
            role.signal("-STOP").await;
            self.seats[seat].state = State::Frozen(role);
        }
    }

    /// SIGTERM; [`Fleet::revive`] awaits the end.
    pub(crate) async fn terminate(&mut self, seat: usize) {
        if let Some(role) = self.take_running(seat) {
            role.signal("-TERM").await;
            self.seats[seat].state = State::Ending(role);
        }
    }

    /// Makes a process run again, whatever was done to it.
    pub(crate) async fn revive(&mut self, seat: usize) {
        match std::mem::replace(&mut self.seats[seat].state, State::Gone) {
            State::Running(role) => self.seats[seat].state = State::Running(role),
            State::Frozen(role) => {
                role.signal("-CONT").await;
                self.seats[seat].state = State::Running(role);
            }
            State::Ending(role) => {
                self.await_end(seat, role).await;
                self.spawn(seat);
            }
            State::Gone => self.spawn(seat),
        }
    }

    /// Makes everybody run again, those too who ended by themselves.
    pub(crate) async fn revive_all(&mut self) {
        for seat in 0..self.seats.len() {
            self.revive(seat).await;
            if let Some(role) = self.take_running(seat) {
                self.seats[seat].state = State::Running(role);
            } else {
                self.spawn(seat);
            }
        }
    }

    /// SIGTERM to everybody.
    pub(crate) async fn stop(&mut self) {
        for seat in 0..self.seats.len() {
            self.terminate(seat).await;
        }
        for seat in 0..self.seats.len() {
            if let State::Ending(role) = std::mem::replace(&mut self.seats[seat].state, State::Gone)
            {
                self.await_end(seat, role).await;
            }
        }
    }

    async fn await_end(&mut self, seat: usize, mut role: Role) {
        let name = self.seats[seat].name.clone();
        let ended = within(&format!("the end of {name}"), role.child.wait()).await;
        let status = ended.unwrap();
        // Told before it had begun to listen for that, it has nothing to put in order.
        let had_begun = std::fs::metadata(self.log(seat)).unwrap().len() > 0;
        let is_early = status.signal() == Some(SIGTERM) && !had_begun;
        if !status.success() && !is_early {
            self.misdeeds
                .push(format!("{name} ended with {status} after SIGTERM"));
        }
    }

    /// A process that runs; it is a misdeed if it has ended by itself.
    fn take_running(&mut self, seat: usize) -> Option<Role> {
        let Seat { name, state, .. } = &mut self.seats[seat];
        match std::mem::replace(state, State::Gone) {
            State::Running(mut role) => match role.child.try_wait().unwrap() {
                None => Some(role),
                Some(status) => {
                    self.misdeeds
                        .push(format!("{name} ended by itself with {status}"));
                    None
                }
            },
            other => {
                *state = other;
                None
            }
        }
    }

    /// The log of the process that has this seat now.
    fn log(&self, seat: usize) -> PathBuf {
        let Seat { name, starts, .. } = &self.seats[seat];
        self.logs.join(format!("{name}.{starts}.log"))
    }

    fn spawn(&mut self, seat: usize) {
        self.seats[seat].starts += 1;
        let log = Stdio::from(File::create(self.log(seat)).unwrap());
        let seat = &mut self.seats[seat];
        seat.state = State::Running(Role::spawn(seat.role, &self.environment, log));
    }
}

/// Lines of the logs that no disturbance explains.
pub(crate) fn panics(logs: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(logs).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let panicked = text.lines().filter(|line| line.contains("panicked"));
        found.extend(panicked.map(|line| format!("{}: {line}", path.display())));
    }
    found
}
