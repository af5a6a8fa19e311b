//! A program in a control group of its own, as a container or a function has it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A program that runs in a control group with so much memory, where the machine lets one be made; it is
/// removed when this is dropped.
pub(crate) struct Confined {
    program: PathBuf,
    group: Option<PathBuf>,
}

impl Confined {
    pub(crate) fn new(program: &Path, mib: u64) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("redis-sync-{}-{number}", std::process::id());
        let group = memory_group().and_then(|(parent, limit)| {
            let group = parent.join(&name);
            fs::create_dir(&group).ok()?;
            let limited = fs::write(group.join(limit), (mib << 20).to_string());
            limited.is_ok().then_some(group)
        });
        let Some(group) = group else {
            let program = program.to_owned();
            return Self {
                program,
                group: None,
            };
        };
        let script = Path::new(env!("CARGO_TARGET_TMPDIR")).join(&name);
        let procs = group.join("cgroup.procs");
        let lines = format!(
            "#!/bin/sh\necho $$ > {}\nexec {}\n",
            procs.display(),
            program.display()
        );
        fs::write(&script, lines).unwrap();
        fs::set_permissions(&script, PermissionsExt::from_mode(0o755)).unwrap();
        Self {
            program: script,
            group: Some(group),
        }
    }

    /// What is to be started in its place.
    pub(crate) fn program(&self) -> PathBuf {
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

/// The control group of memory that this process is in, and the name of its limit.
fn memory_group() -> Option<(PathBuf, &'static str)> {
    let own = fs::read_to_string("/proc/self/cgroup").ok()?;
    own.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next()?, parts.next()?.trim_start_matches('/'));
        match controllers {
            "memory" => {
                let group = Path::new("/sys/fs/cgroup/memory").join(path);
                Some((group, "memory.limit_in_bytes"))
            }
            "" => {
                let group = Path::new("/sys/fs/cgroup").join(path);
                group
                    .join("memory.max")
                    .exists()
                    .then_some((group, "memory.max"))
            }
            _ => None,
        }
    })
}
