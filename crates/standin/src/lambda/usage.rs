//! What a process has used of the machine, as Lambda's REPORT line and Lambda Insights report it.
//!
//! Only Linux knows; elsewhere nothing is reported. Never limits anything.

use std::fs;
use std::time::Duration;

/// In `stat` the kernel counts processor time in hundredths of a second, on every architecture that Lambda has.
const TICK: Duration = Duration::from_millis(10);

/// What a process has used from its start until now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// The peak memory, in bytes.
    pub peak_memory: u64,
    /// The processor time that it has used.
    pub processor: Duration,
}

impl Usage {
    /// The usage of a living process. The kernel has forgotten a dead one's.
    pub(super) fn of(pid: u32) -> Option<Self> {
        let read = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).ok();
        let all_threads = processor(&read("stat")?)?;
        // This is exact, but covers only the first thread, in which our functions do nearly everything. Not every
        // kernel has it.
        let first_thread = read("schedstat").and_then(|schedstat| exact(&schedstat)).unwrap_or_default();
        Some(Self { peak_memory: peak_memory(&read("status")?)?, processor: all_threads.max(first_thread) })
    }
}

/// `VmHWM: 12345 kB` of `/proc/<pid>/status`.
fn peak_memory(status: &str) -> Option<u64> {
    let value = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = value.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1024)
}

/// The 14th and the 15th field of `/proc/<pid>/stat`. The second field is the program's name in brackets, which may
/// itself contain blanks and brackets.
fn processor(stat: &str) -> Option<Duration> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut times = fields.split(' ').skip(11).map(str::parse::<u32>);
    Some(TICK * (times.next()?.ok()? + times.next()?.ok()?))
}

/// The first field of `/proc/<pid>/schedstat`, in nanoseconds.
fn exact(schedstat: &str) -> Option<Duration> {
    schedstat.split(' ').next()?.parse().ok().map(Duration::from_nanos)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_kernel_writes() {
        let status = "Name:\tworker\nVmPeak:\t  999 kB\nVmHWM:\t   12345 kB\nVmRSS:\t   12000 kB\n";
        assert_eq!(peak_memory(status), Some(12_345 * 1024));
        assert_eq!(peak_memory("Name:\tworker\nState:\tZ (zombie)\n"), None);
        let stat = "42 (a) b (c) S 1 42 42 0 -1 4194560 100 0 0 0 17 4 0 0 20 0 1 0 12345 1000 200";
        assert_eq!(processor(stat), Some(Duration::from_millis(210)));
        assert_eq!(processor(""), None);
        assert_eq!(exact("143032 168781 2\n"), Some(Duration::from_nanos(143_032)));
    }

    #[test]
    fn nobody_has_used_nothing() {
        assert_eq!(Usage::of(u32::MAX), None);
    }
}
