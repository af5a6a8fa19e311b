//! Where the `redis-server` binary is.

use std::{
    env,
    ffi::OsStr,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};

/// Names a binary to use instead of the one on the path.
const VARIABLE: &str = "REDIS_SERVER";

/// Names on the path, the first that is there counts.
const NAMES: [&str; 2] = ["redis-server", "valkey-server"];

/// The binary that `REDIS_SERVER` names, or the one on the path.
pub(super) fn find() -> Result<PathBuf> {
    let named = env::var_os(VARIABLE).filter(|named| !named.is_empty());
    locate(named.as_deref(), &env::var_os("PATH").unwrap_or_default())
}

fn locate(named: Option<&OsStr>, path: &OsStr) -> Result<PathBuf> {
    if let Some(named) = named {
        let binary = PathBuf::from(named);
        let found = binary.is_file();
        ensure!(
            found,
            "{VARIABLE} names {}, which is no file",
            binary.display()
        );
        return Ok(binary);
    }
    NAMES
        .iter()
        .find_map(|name| on_path(name, path))
        .with_context(|| {
            format!(
                "no redis-server and no valkey-server on the path: install one with \
                 `apt-get install redis-server`, or name its binary in {VARIABLE}"
            )
        })
}

fn on_path(name: &str, path: &OsStr) -> Option<PathBuf> {
    env::split_paths(path)
        .map(|folder| folder.join(name))
        .find(|binary: &PathBuf| Path::is_file(binary))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_server_is_reported_with_the_command_that_installs_it() {
        let error = locate(None, OsStr::new("/no/such/folder")).expect_err("not there");
        let message = error.to_string();
        assert!(
            message.contains("apt-get install redis-server"),
            "{message}"
        );
        assert!(message.contains("REDIS_SERVER"), "{message}");
    }

    #[test]
    fn a_named_server_that_is_not_there_is_an_error() {
        let named = OsStr::new("/no/such/redis-server");
        let error = locate(Some(named), OsStr::new("")).expect_err("not there");
        assert!(error.to_string().contains("/no/such/redis-server"));
    }

    #[test]
    fn valkey_does_as_well() -> Result<()> {
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("valkey-server"), "")?;
        let found = locate(None, folder.path().as_os_str())?;
        assert_eq!(found, folder.path().join("valkey-server"));
        Ok(())
    }
}
