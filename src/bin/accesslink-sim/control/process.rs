//! What the operating system says about this process.

/// Clock ticks a second in `/proc`: 100 on every Linux.
const TICKS_A_SECOND: f64 = 100.0;

/// Processor time used so far, in user and kernel; zero where there is no `/proc`.
pub(super) fn cpu_s() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The second field is the name of the program in brackets; it may contain blanks.
    let after_name = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let ticks = after_name.split(' ').skip(11).take(2);
    ticks
        .filter_map(|field| field.parse::<f64>().ok())
        .sum::<f64>()
        / TICKS_A_SECOND
}
