//! How much memory there is where nobody says so.

use sysinfo::{MemoryRefreshKind, ProcessRefreshKind, ProcessesToUpdate, System};

/// What this process may have, in bytes: its control group's limit, or all that the machine has.
/// `None` where neither can be found out.
pub fn machine_bytes() -> Option<u64> {
    let mut system = System::new().ok()?;
    system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
    let group = sysinfo::get_current_pid().ok().and_then(|own| {
        let own_only = ProcessesToUpdate::Some(&[own]);
        system.refresh_processes_specifics(own_only, false, ProcessRefreshKind::nothing());
        system.process(own)?.cgroup_limits()
    });
    let machine = Some(system.total_memory()).filter(|&bytes| bytes > 0);
    let group = group.map(|limits| limits.total_memory);
    [machine, group].into_iter().flatten().min()
}

#[cfg(test)]
mod tests {
    #[test]
    fn this_machine_has_some() {
        assert!(super::machine_bytes().unwrap() > 256 << 20);
    }
}
