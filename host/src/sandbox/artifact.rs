//! Artifacts: machine code of plugins that outlives the process. It runs in the host, so what is
//! mapped must come from somewhere that is trusted as the program itself is:
//!
//! - a file of a folder that was deployed together with the program;
//! - an artifact sealed with a secret key. The seal binds it to the engine and to the module, so a
//!   valid artifact of another module, or of another release, is worth nothing under this name.

use super::error::LoadError;
use super::plugin::{Code, Plugin};
use super::{Sandbox, engine};
use crate::fingerprint::Fingerprint;
use crate::number::to_u64;
use crate::settings::Secret;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::hash::{Hash, Hasher};
use std::path::Path;
use wasmparser::Parser;
use wasmtime::component::Component;
use wasmtime::{Engine, Module, Precompiled};

/// What a sealed artifact begins with; the digit is raised with the format.
const MAGIC: &[u8; 8] = b"RSYNC-1\n";

/// Bytes of the seal, which is an HMAC-SHA256.
const SEAL_BYTES: usize = 32;

/// What an artifact was made of.
#[derive(Clone, Copy, Debug)]
pub struct Identity<'a> {
    /// Digest of everything besides the module that decides its machine code.
    pub host: &'a str,
    /// Digest of the module.
    pub module: &'a str,
}

/// Why an artifact is not used.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// It does not begin as an artifact does, or ends before its seal does.
    #[error("it is not an artifact, or it is cut short")]
    Form,
    /// The seal is not that of the key over this module and this engine.
    #[error("its seal does not verify")]
    Seal,
    /// The engine does not take it.
    #[error("the engine does not take it: {0}")]
    Engine(String),
    /// It does not fit to what plugins are linked against.
    #[error(transparent)]
    Link(#[from] LoadError),
}

impl Sandbox {
    /// Digest of everything in the engine that decides the machine code of a module, the
    /// processor's features among it.
    pub fn engine_hash(&self) -> String {
        engine_hash(&self.engine)
    }

    /// A plugin's machine code under its seal.
    pub fn seal(
        &self,
        plugin: &Plugin,
        key: &Secret,
        identity: Identity<'_>,
    ) -> Result<Vec<u8>, LoadError> {
        let code = plugin.serialize().map_err(LoadError::engine)?;
        let seal = mac(key, identity, &code).finalize().into_bytes();
        Ok([MAGIC.as_slice(), &seal, &code].concat())
    }

    /// Takes an artifact whose seal is that of `key` over it and `identity`.
    pub fn open(
        &self,
        artifact: &[u8],
        key: &Secret,
        identity: Identity<'_>,
    ) -> Result<Plugin, Unusable> {
        let sealed = artifact.strip_prefix(MAGIC).ok_or(Unusable::Form)?;
        let (seal, code) = sealed.split_at_checked(SEAL_BYTES).ok_or(Unusable::Form)?;
        mac(key, identity, code)
            .verify_slice(seal)
            .map_err(|_| Unusable::Seal)?;
        #[expect(
            unsafe_code,
            reason = "machine code, sealed by a host that compiled it"
        )]
        // SAFETY: the seal shows that a host with the same key got these bytes from
        // `Component::serialize` or `Module::serialize`, with an engine of the same hash.
        let taken = unsafe {
            match Engine::detect_precompiled(code) {
                Some(Precompiled::Module) => {
                    Module::deserialize(&self.engine, code).map(Code::Program)
                }
                _ => Component::deserialize(&self.engine, code).map(Code::Component),
            }
        };
        self.take(taken)
    }

    /// Maps a file of a folder that was deployed together with the program, or one that a compiling
    /// child of this process has written.
    pub fn map(&self, file: &Path) -> Result<Plugin, Unusable> {
        #[expect(
            unsafe_code,
            reason = "machine code, deployed like the program or made by it"
        )]
        // SAFETY: whoever can write to the folder of a deployment can replace the program too, and
        // the folder of a Lambda layer or image is read only, so nobody changes a mapped file. What a
        // compiling child has written is in a file that only this user may open, and under no name
        // any more once it is mapped; the child is trusted to compile, as the compiler in this
        // process would be, and limited for what it takes.
        let taken = unsafe {
            match Engine::detect_precompiled_file(file) {
                Ok(Some(Precompiled::Module)) => {
                    Module::deserialize_file(&self.engine, file).map(Code::Program)
                }
                _ => Component::deserialize_file(&self.engine, file).map(Code::Component),
            }
        };
        self.take(taken)
    }

    fn take(&self, code: wasmtime::Result<Code>) -> Result<Plugin, Unusable> {
        let code = code.map_err(|error| Unusable::Engine(format!("{error:#}")))?;
        Ok(Plugin::link(self, &code)?)
    }
}

/// Compiles a component or a program for this machine: machine code that [`Sandbox::map`] takes.
pub fn compile(module: &[u8]) -> Result<Vec<u8>, LoadError> {
    compile_with(&engine::new(1).map_err(LoadError::engine)?, module)
}

/// Compiles it for every machine of an architecture, named as Rust does, for a deployed folder.
pub fn compile_portable(module: &[u8], architecture: &str) -> Result<Vec<u8>, LoadError> {
    let engine = engine::portable(architecture).map_err(LoadError::engine)?;
    compile_with(&engine, module)
}

fn compile_with(engine: &Engine, module: &[u8]) -> Result<Vec<u8>, LoadError> {
    let compiled = if Parser::is_component(module) {
        engine.precompile_component(module)
    } else {
        engine.precompile_module(module)
    };
    compiled.map_err(|error| LoadError::Compile(format!("{error:#}")))
}

/// Digest of the engine that [`compile_portable`] compiles with.
pub fn portable_engine_hash(architecture: &str) -> Result<String, LoadError> {
    engine::portable(architecture)
        .map(|engine| engine_hash(&engine))
        .map_err(LoadError::engine)
}

fn engine_hash(engine: &Engine) -> String {
    let mut collector = Collector::default();
    engine.precompile_compatibility_hash().hash(&mut collector);
    collector.0.hex()
}

fn mac(key: &Secret, identity: Identity<'_>, code: &[u8]) -> Hmac<Sha256> {
    #[expect(clippy::unwrap_used, reason = "an HMAC takes keys of every length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(key.expose().as_bytes()).unwrap();
    // The length goes before each part, so that none can run into the next.
    for part in [
        MAGIC,
        identity.host.as_bytes(),
        identity.module.as_bytes(),
        code,
    ] {
        let length = to_u64(part.len());
        mac.update(&length.to_le_bytes());
        mac.update(part);
    }
    mac
}

/// Collects what an engine hashes of itself. The 64 bits that a hasher is asked for would be too few
/// to name anything by.
#[derive(Default)]
struct Collector(Fingerprint);

impl Hasher for Collector {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = std::mem::take(&mut self.0).part(bytes);
    }

    fn finish(&self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0.clone().bytes();
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// It is a part of the name and the seal of machine code.
    #[test]
    fn an_engine_is_told_from_one_that_compiles_otherwise_and_is_itself_each_time() {
        let of = |architecture| portable_engine_hash(architecture).unwrap();
        assert_ne!(of("x86_64"), of("aarch64"));
        assert_eq!(of("x86_64"), of("x86_64"));
        let [one, same] = [1, 2].map(|runs| Sandbox::new(runs).unwrap());
        assert_eq!(one.engine_hash(), engine_hash(&same.engine));
        assert_ne!(one.engine_hash(), engine_hash(&Engine::default()));
    }

    #[test]
    fn machine_code_of_another_engine_is_refused_also_under_a_good_seal() {
        let component = wat::parse_str("(component)").unwrap();
        let code = Engine::default().precompile_component(&component).unwrap();
        let key = Secret::new("k".repeat(32));
        let identity = Identity {
            host: "h",
            module: "m",
        };
        let seal = mac(&key, identity, &code).finalize().into_bytes();
        let artifact = [MAGIC.as_slice(), &seal, &code].concat();
        let refused = Sandbox::new(1).unwrap().open(&artifact, &key, identity);
        assert!(matches!(refused, Err(Unusable::Engine(_))));
    }
}
