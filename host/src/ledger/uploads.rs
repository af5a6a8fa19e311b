//! Who has uploaded the plugins: their names, each with the last one that is known of.

use super::call::{Call, NOTE};
use super::{Ledger, LedgerError, PluginUsed};
use crate::event::Author;
use redis::cmd;
use serde::{Deserialize, Serialize};

/// Plugins that are noted, at the most.
const MAX_UPLOADS: usize = 10_000;

/// Who has uploaded a plugin, as it is noted.
#[derive(Deserialize, Serialize)]
struct Note {
    /// SHA-256 of what was uploaded.
    sha256: String,
    #[serde(flatten)]
    by: Author,
}

impl Ledger {
    /// Notes who has uploaded a plugin.
    pub async fn note_upload(&self, plugin: &PluginUsed, by: &Author) -> Result<(), LedgerError> {
        let note = Note {
            sha256: plugin.sha256.clone(),
            by: by.clone(),
        };
        let call = Call::new(&NOTE)
            .key(self.names.uploads())
            .argument(plugin.name.as_str())
            .argument(serde_json::json!(note).to_string())
            .argument("0")
            .argument(MAX_UPLOADS.to_string());
        match self.call::<bool>(&call).await? {
            true => Ok(()),
            false => Err(self
                .link
                .refused(format!("{MAX_UPLOADS} uploads are noted already"))),
        }
    }

    /// Who has uploaded just this plugin.
    pub(super) async fn upload(&self, plugin: &PluginUsed) -> Result<Option<Author>, LedgerError> {
        let mut command = cmd("HGET");
        command.arg(self.names.uploads()).arg(&plugin.name);
        let note: Option<String> = self.send(&command).await?;
        let note: Option<Note> = note.and_then(|note| serde_json::from_str(&note).ok());
        Ok(note
            .filter(|note| note.sha256 == plugin.sha256)
            .map(|note| note.by))
    }
}
