//! Where machine code outlives the process: a folder of the deployment, and the bucket.

use super::PluginError;
use super::compiling::MAX_ARTIFACT_BYTES;
use super::component;
use crate::budget::Account;
use crate::fingerprint::{Fingerprint, sha256};
use crate::invocation;
use crate::metrics::Count;
use crate::number::to_u64;
use crate::sandbox::{
    Identity, LoadError, Plugin, Sandbox, compile_portable, portable_engine_hash,
};
use crate::settings::{ArtifactSettings, Secret};
use crate::store::{Store, StoreError};
use std::env::consts::ARCH;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The artifacts: machine code of modules, by the modules' digests.
#[derive(Clone, Default)]
pub struct ArtifactStore {
    folder: Option<Folder>,
    bucket: Option<Bucket>,
}

/// A plugin, and where its machine code was.
pub(super) struct Found {
    pub(super) plugin: Plugin,
    pub(super) place: &'static str,
}

/// A module whose machine code is looked for, or kept.
#[derive(Clone, Copy)]
pub(super) struct KeptModule<'a> {
    pub(super) digest: &'a str,
    /// Size of the module, in bytes.
    pub(super) bytes: u64,
    /// The largest artifact that there is room for.
    pub(super) most: u64,
}

/// How large an artifact may be: a few times its module. Rust's have 4 times as much machine code,
/// a JavaScript engine 3.5 times.
fn largest_artifact(module_bytes: u64) -> u64 {
    const PER_BYTE: u64 = 16;
    const LEAST: u64 = 1 << 20;
    let most = module_bytes.saturating_mul(PER_BYTE).saturating_add(LEAST);
    most.min(MAX_ARTIFACT_BYTES)
}

/// A folder that was deployed together with the program.
#[derive(Clone)]
struct Folder {
    /// Where it is.
    path: PathBuf,
    /// See [`Identity::host`]; of the engine that compiles for every machine.
    host: String,
}

/// Sealed artifacts in the bucket.
#[derive(Clone)]
struct Bucket {
    store: Store,
    /// Prefix of the artifacts' keys.
    prefix: String,
    /// What seals them.
    key: Secret,
    /// See [`Identity::host`]; of the engine of this machine.
    host: String,
    /// Whether S3 has said that this process may not write there: it is not asked again.
    is_forbidden: Arc<AtomicBool>,
}

impl ArtifactStore {
    /// What the settings say of it.
    pub fn new(
        settings: &ArtifactSettings,
        sandbox: &Sandbox,
        store: &Store,
    ) -> Result<Self, LoadError> {
        let bucket = settings.key.clone().map(|key| Bucket {
            store: store.clone(),
            prefix: settings.prefix.clone(),
            key,
            host: host(&sandbox.engine_hash()),
            is_forbidden: Arc::default(),
        });
        Ok(Self {
            bucket,
            ..Self::folder_only(settings)?
        })
    }

    /// The folder alone.
    pub(super) fn folder_only(settings: &ArtifactSettings) -> Result<Self, LoadError> {
        let folder = |path: &PathBuf| {
            Ok(Folder {
                path: path.clone(),
                host: host(&portable_engine_hash(ARCH)?),
            })
        };
        Ok(Self {
            folder: settings.folder.as_ref().map(folder).transpose()?,
            bucket: None,
        })
    }

    /// Whether anything is kept at all.
    pub(super) fn is_used(&self) -> bool {
        self.folder.is_some() || self.bucket.is_some()
    }

    /// The plugin of the module with that digest, if it is kept and can be trusted.
    pub(super) async fn find(
        &self,
        sandbox: &Arc<Sandbox>,
        module: KeptModule<'_>,
        account: &Account,
    ) -> Option<Found> {
        if let Some(folder) = &self.folder
            && let Some(plugin) = folder.find(sandbox, module.digest)
        {
            let place = "COMPILED_DIR";
            return Some(Found { plugin, place });
        }
        let bucket = self.bucket.as_ref()?;
        let plugin = bucket.find(sandbox, module, account);
        let plugin = plugin.await?;
        let place = "COMPILED_PREFIX";
        Some(Found { plugin, place })
    }

    /// Keeps what was compiled; whether there is nothing left to do. That it cannot be kept fails
    /// nothing, and is tried again, unless it is a permission that is missing.
    pub(super) async fn keep(
        &self,
        sandbox: &Arc<Sandbox>,
        module: KeptModule<'_>,
        plugin: &Plugin,
    ) -> bool {
        match &self.bucket {
            Some(bucket) => bucket.keep(sandbox, module, plugin).await,
            None => true,
        }
    }
}

impl Folder {
    fn find(&self, sandbox: &Sandbox, module: &str) -> Option<Plugin> {
        let file = self.path.join(file_name(&self.host, module));
        if !file.exists() {
            return None;
        }
        sandbox
            .map(&file)
            .inspect_err(|error| {
                invocation::count(Count::CompiledRefused, 1);
                tracing::warn!(
                    file = %file.display(),
                    error = %error,
                    "a file of COMPILED_DIR is not used, the module is compiled"
                );
            })
            .ok()
    }
}

impl Bucket {
    fn name(&self, module: &str) -> String {
        format!("{}{}/{module}", self.prefix, self.host)
    }

    async fn find(
        &self,
        sandbox: &Arc<Sandbox>,
        module: KeptModule<'_>,
        account: &Account,
    ) -> Option<Plugin> {
        let name = self.name(module.digest);
        let unused = |error: &dyn std::fmt::Display| {
            tracing::warn!(
                artifact = name,
                error = %error,
                "a compiled module is not used, it is compiled afresh"
            );
        };
        let artifact = self
            .store
            .object(
                &name,
                largest_artifact(module.bytes).min(module.most),
                account,
            )
            .await
            .inspect_err(|error| {
                if matches!(error, StoreError::TooLarge { .. }) {
                    invocation::count(Count::CompiledRefused, 1);
                }
                unused(error);
            })
            .ok()??;
        // The engine copies it.
        let _copy = account.take(to_u64(artifact.body.len())).await;
        let open = {
            let (sandbox, key) = (Arc::clone(sandbox), self.key.clone());
            let (host, module) = (self.host.clone(), module.digest.to_owned());
            move || {
                let (host, module) = (&*host, &*module);
                sandbox.open(&artifact.body, &key, Identity { host, module })
            }
        };
        invocation::spawn_blocking(open)
            .await
            .inspect_err(|error| unused(error))
            .ok()?
            .inspect_err(|error| {
                invocation::count(Count::CompiledRefused, 1);
                unused(error);
            })
            .ok()
    }

    async fn keep(&self, sandbox: &Arc<Sandbox>, module: KeptModule<'_>, plugin: &Plugin) -> bool {
        if self.is_forbidden.load(Ordering::Relaxed) {
            return true;
        }
        let name = self.name(module.digest);
        let most = largest_artifact(module.bytes).min(module.most);
        let seal = {
            let (sandbox, plugin, key) = (Arc::clone(sandbox), plugin.clone(), self.key.clone());
            let (host, module) = (self.host.clone(), module.digest.to_owned());
            move || {
                let (host, module) = (&*host, &*module);
                sandbox.seal(&plugin, &key, Identity { host, module })
            }
        };
        let kept = match invocation::spawn_blocking(seal).await {
            Ok(Ok(artifact)) if to_u64(artifact.len()) > most => {
                let (artifact, bytes) = (name, artifact.len());
                tracing::warn!(
                    artifact,
                    bytes,
                    most,
                    "compiled module not kept: it is too large"
                );
                return true;
            }
            Ok(Ok(artifact)) => self.store.put(&name, artifact).await.map_err(|error| {
                let is_forbidden = matches!(error, StoreError::Forbidden { .. });
                self.is_forbidden.fetch_or(is_forbidden, Ordering::Relaxed);
                error.to_string()
            }),
            Ok(Err(error)) => Err(error.to_string()),
            Err(panic) => Err(panic.to_string()),
        };
        match &kept {
            Ok(()) => tracing::info!(artifact = name, "compiled module kept"),
            Err(error) => tracing::warn!(artifact = name, error, "compiled module not kept"),
        }
        kept.is_ok() || self.is_forbidden.load(Ordering::Relaxed)
    }
}

/// Compiles a module into `folder`, for deployments that set `COMPILED_DIR` to it. The file is for
/// hosts of this release and this architecture. Returns where it is.
pub fn precompile(module: &[u8], folder: &Path) -> Result<PathBuf, PluginError> {
    precompile_for(module, folder, ARCH)
}

/// The same for hosts of an architecture, named as Rust does: `aarch64`, `x86_64`.
pub fn precompile_for(
    module: &[u8],
    folder: &Path,
    architecture: &str,
) -> Result<PathBuf, PluginError> {
    let prepared = component::prepare(module)?;
    let code = compile_portable(&prepared, architecture)?;
    let name = file_name(&host(&portable_engine_hash(architecture)?), &sha256(module));
    let (file, unfinished) = (folder.join(&name), folder.join(format!(".{name}")));
    // A file that is being mapped is never written to.
    std::fs::write(&unfinished, code)
        .and_then(|()| std::fs::rename(&unfinished, &file))
        .map_err(|error| {
            PluginError::invalid(format!("{} cannot be written: {error}", file.display()))
        })?;
    Ok(file)
}

fn file_name(host: &str, module: &str) -> String {
    format!("{module}-{}.cwasm", host.get(..16).unwrap_or(host))
}

/// Everything besides the module that decides its machine code: the engine, and what makes a
/// component of a core module.
fn host(engine: &str) -> String {
    Fingerprint::new()
        .part(env!("CARGO_PKG_VERSION"))
        .part(engine)
        .part(component::ADAPTER)
        .hex()
}
