//! A program in control groups of its own, as a container or a function has them.

use crate::guest::FOLDER;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A program that runs in control groups of its own, where the machine lets them be made; they are removed
/// when this is dropped.
pub struct Confined {
    program: PathBuf,
    group: Option<PathBuf>,
}

impl Confined {
    /// With so much memory.
    ///
    /// # Panics
    ///
    /// The program cannot be wrapped.
    #[must_use]
    pub fn new(program: &Path, mib: u64) -> Self {
        let limit = (mib << 20).to_string();
        let group = group(&[
            ("memory", "memory.limit_in_bytes", &limit),
            ("", "memory.max", &limit),
        ]);
        Self::within(program, group)
    }

    /// With so many thousandths of a processor.
    ///
    /// # Panics
    ///
    /// The program cannot be wrapped.
    #[must_use]
    pub fn throttled(program: &Path, thousandths: u64) -> Self {
        let (quota, both) = (thousandths * 100, format!("{} 100000", thousandths * 100));
        let group = group(&[
            ("cpu", "cpu.cfs_quota_us", &quota.to_string()),
            ("", "cpu.max", &both),
        ]);
        Self::within(program, group)
    }

    fn within(program: &Path, group: Option<PathBuf>) -> Self {
        let Some(group) = group else {
            let _ = writeln!(
                std::io::stderr(),
                "no control group can be made here: {} is not confined",
                program.display()
            );
            let program = program.to_owned();
            return Self { program, group };
        };
        let name = group.file_name().unwrap_or_default();
        let script = Path::new(FOLDER).join(name);
        let procs = group.join("cgroup.procs");
        let lines = format!(
            "#!/bin/sh\necho $$ > {}\nexec {}\n",
            procs.display(),
            program.display()
        );
        fs::write(&script, lines).expect("the script can be written");
        let executable = fs::Permissions::from_mode(0o755);
        fs::set_permissions(&script, executable).expect("it can be made a program");
        Self {
            program: script,
            group: Some(group),
        }
    }

    /// What is to be started in its place.
    #[must_use]
    pub fn program(&self) -> PathBuf {
        self.program.clone()
    }
}

impl Drop for Confined {
    fn drop(&mut self) {
        if let Some(group) = &self.group {
            let _ = fs::remove_file(&self.program);
            let _ = fs::remove_dir(group);
        }
    }
}

/// A new control group with the first of these limits that is to be had: the controller (none for the second
/// version of control groups), the name of the limit and its value.
fn group(limits: &[(&str, &str, &str)]) -> Option<PathBuf> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let own = fs::read_to_string("/proc/self/cgroup").ok()?;
    limits.iter().find_map(|(controller, limit, value)| {
        let path = own.lines().find_map(|line| {
            let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
            controllers
                .split(',')
                .any(|name| name == *controller)
                .then_some(path)
        })?;
        let parent = Path::new("/sys/fs/cgroup")
            .join(controller)
            .join(path.trim_start_matches('/'));
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let group = parent.join(format!("redis-sync-{}-{number}", std::process::id()));
        fs::create_dir(&group).ok()?;
        let limited = fs::write(group.join(limit), value);
        if limited.is_err() {
            let _ = fs::remove_dir(&group);
        }
        limited.ok().map(|()| group)
    })
}
