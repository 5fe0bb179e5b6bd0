//! What processes use, as the kernel counts it.

use std::collections::HashMap;
use std::fs;
use std::time::Duration;

/// What a process and all below it have used, and hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Used {
    /// Of processors, in user and kernel mode.
    pub(crate) cpu: Duration,
    /// The most that was resident at once, summed over the processes that live.
    pub(crate) peak_bytes: u64,
    /// Resident now.
    pub(crate) resident_bytes: u64,
    pub(crate) descriptors: u64,
    pub(crate) threads: u64,
}

struct Stat {
    parent: u32,
    ticks: u64,
    threads: u64,
}

/// What the process `root` and its descendants use; nothing where it is gone.
pub(crate) fn used(root: u32) -> Used {
    let all = everybody();
    let mut used = Used::default();
    let mut family = vec![root];
    while let Some(process) = family.pop() {
        let Some(stat) = all.get(&process) else { continue };
        family.extend(all.iter().filter(|(_, it)| it.parent == process).map(|(pid, _)| pid));
        used.cpu += Duration::from_secs(1) * u32::try_from(stat.ticks).unwrap_or(u32::MAX)
            / ticks_per_second();
        used.threads += stat.threads;
        let [peak, resident] = memory(process);
        used.peak_bytes += peak;
        used.resident_bytes += resident;
        let open = fs::read_dir(format!("/proc/{process}/fd"));
        used.descriptors += open.map_or(0, |open| open.count() as u64);
    }
    used
}

fn ticks_per_second() -> u32 {
    u32::try_from(rustix::param::clock_ticks_per_second()).unwrap_or(100)
}

fn everybody() -> HashMap<u32, Stat> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let processes = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    processes.filter_map(|pid: u32| Some((pid, stat(pid)?))).collect()
}

/// See proc(5). The name, which may hold anything, ends with the last bracket; the state follows.
fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let field = |number: usize| fields.get(number)?.parse::<u64>().ok();
    Some(Stat {
        parent: u32::try_from(field(1)?).ok()?,
        ticks: field(11)? + field(12)?,
        threads: field(17)?,
    })
}

fn memory(pid: u32) -> [u64; 2] {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    ["VmHWM:", "VmRSS:"].map(|name| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        kilobytes.unwrap_or(0) * 1024
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_found_with_its_children() {
        let alone = used(std::process::id());
        assert!(alone.resident_bytes > 0 && alone.descriptors > 0 && alone.threads > 0);
        let mut child = std::process::Command::new("sleep").arg("60").spawn().expect("a child");
        let both = used(std::process::id());
        child.kill().expect("it is ended");
        child.wait().expect("it ends");
        // Other tests of this process may come and go, but none starts processes.
        assert!(both.resident_bytes > used(child.id()).resident_bytes);
        assert_eq!(used(child.id()), Used::default(), "it is gone");
    }
}
