//! What the operating system says about processes.

use std::fs::read_to_string;

/// Clock ticks a second in `/proc`: 100 on every Linux.
const TICKS_A_SECOND: f64 = 100.0;

/// The fields of `/proc/PID/stat` after the program's name, which may contain blanks.
struct Stat(Vec<u64>);

impl Stat {
    fn of(pid: u32) -> Option<Self> {
        let stat = read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (_, fields) = stat.rsplit_once(") ")?;
        Some(Self(
            fields
                .split(' ')
                .map(|field| field.trim().parse().unwrap_or(0))
                .collect(),
        ))
    }

    fn parent(&self) -> u64 {
        self.0[1]
    }

    /// In user and kernel.
    fn cpu_s(&self) -> f64 {
        seconds(self.0[11] + self.0[12])
    }

    /// The same of children that have ended.
    fn ended_children_cpu_s(&self) -> f64 {
        seconds(self.0[13] + self.0[14])
    }
}

#[expect(clippy::cast_precision_loss, reason = "ticks of centuries fit")]
fn seconds(ticks: u64) -> f64 {
    ticks as f64 / TICKS_A_SECOND
}

/// Processor time of a process so far.
pub(crate) fn cpu_s(pid: u32) -> f64 {
    Stat::of(pid).expect("a process that runs").cpu_s()
}

/// Processor time of a process and its children so far, those that have ended as well.
pub(crate) fn family_cpu_s(pid: u32) -> f64 {
    let parent = Stat::of(pid).expect("a process that runs");
    let children = std::fs::read_dir("/proc")
        .expect("Linux")
        .flatten()
        .filter_map(|entry| Stat::of(entry.file_name().to_str()?.parse().ok()?))
        .filter(|stat| stat.parent() == u64::from(pid));
    let children: f64 = children.map(|stat| stat.cpu_s()).sum();
    parent.cpu_s() + parent.ended_children_cpu_s() + children
}

/// Memory of a process in MiB: `VmRSS`, what it has now, or `VmHWM`, the most that it ever had.
pub(crate) fn memory_mib(pid: u32, field: &str) -> f64 {
    let status = read_to_string(format!("/proc/{pid}/status")).expect("a process that runs");
    let line = status.lines().find(|line| line.starts_with(field));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
    kib.expect("a number of KiB") / 1024.0
}
