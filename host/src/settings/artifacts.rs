//! Where machine code is kept outside the process.

use super::reader::Reader;
use super::secret::Secret;
use std::path::PathBuf;

/// The shortest key, in bytes: as long as what it authenticates with.
const MIN_KEY_BYTES: usize = 32;

/// Where machine code is kept outside the process.
#[derive(Clone, Debug)]
pub struct ArtifactSettings {
    /// A folder that was deployed together with the program: trusted, read only.
    pub folder: Option<PathBuf>,
    /// Prefix of their keys in the bucket.
    pub prefix: String,
    /// What seals those in the bucket; without it none are there.
    pub key: Option<Secret>,
}

pub(super) fn read(reader: &mut Reader<'_>) -> ArtifactSettings {
    let settings = ArtifactSettings {
        folder: reader.optional("COMPILED_DIR").map(PathBuf::from),
        prefix: reader.text("COMPILED_PREFIX"),
        key: reader.optional("COMPILED_CACHE_KEY").map(Secret::new),
    };
    if let Some(folder) = &settings.folder
        && !folder.is_dir()
    {
        reader.problem(
            "COMPILED_DIR",
            &format!("is `{}`, which is not a folder", folder.display()),
        );
    }
    if let Some(key) = &settings.key
        && key.expose().len() < MIN_KEY_BYTES
    {
        reader.problem(
            "COMPILED_CACHE_KEY",
            &format!("is shorter than {MIN_KEY_BYTES} bytes"),
        );
    }
    settings
}

#[cfg(test)]
mod tests {
    use crate::settings::{Settings, SettingsError, tests};

    fn read(name: &str, value: &str) -> Result<Settings, SettingsError> {
        tests::read(&[
            ("CONFIG_BUCKET_NAME", "b"),
            ("REDIS_HOST", "h"),
            (name, value),
        ])
    }

    #[test]
    fn a_short_key_is_a_problem_and_no_key_is_printed() {
        let SettingsError(problems) = read("COMPILED_CACHE_KEY", "hunter2").unwrap_err();
        assert_eq!(problems, ["COMPILED_CACHE_KEY is shorter than 32 bytes"]);
        let long = "hunter2".repeat(5);
        let settings = read("COMPILED_CACHE_KEY", &long).unwrap();
        assert!(settings.artifacts.key.is_some());
        assert!(!format!("{settings:?}").contains("hunter2"));
    }

    #[test]
    fn a_folder_that_is_not_there_is_a_problem() {
        let SettingsError(problems) = read("COMPILED_DIR", "/no/such/folder").unwrap_err();
        assert!(
            problems[0].starts_with("COMPILED_DIR is `/no/such/folder`"),
            "{problems:?}"
        );
    }
}
