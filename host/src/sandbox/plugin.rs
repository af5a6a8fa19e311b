//! A compiled and linked plugin.

use super::Sandbox;
use super::bindings;
use super::deadline::Deadlines;
use super::error::LoadError;
use super::input::Kind;
use super::program::Program;
use super::state::State;
use wasmtime::component::Component;
use wasmtime::{Engine, Module};
use wasmtime_wasi::p2::bindings::sync::CommandPre;

/// How a plugin is entered.
#[derive(Clone)]
pub(super) enum Entrance {
    Transform(bindings::TransformerPre<State>),
    Command(CommandPre<State>),
    Program(Program),
}

/// Machine code that an engine has taken.
pub(super) enum Code {
    Component(Component),
    Program(Module),
}

impl Code {
    fn size(&self) -> usize {
        let range = match self {
            Self::Component(component) => component.image_range(),
            Self::Program(module) => module.image_range(),
        };
        (range.end as usize).saturating_sub(range.start as usize)
    }
}

/// A compiled and linked plugin; cheap to clone.
#[derive(Clone)]
pub struct Plugin {
    /// What it runs in.
    pub(super) engine: Engine,
    /// Ends its runs when their time is over.
    pub(super) deadlines: Deadlines,
    /// The linked module.
    pub(super) entrance: Entrance,
    /// Size of the machine code, in bytes.
    size: usize,
}

impl Plugin {
    pub(super) fn link(sandbox: &Sandbox, code: &Code) -> Result<Self, LoadError> {
        let import = |error: wasmtime::Error| LoadError::Import(format!("{error:#}"));
        let size = code.size();
        let entrance = match code {
            Code::Program(module) => {
                let linked = sandbox.programs.instantiate_pre(module).map_err(import)?;
                Entrance::Program(Program::new(linked).ok_or(LoadError::NoExport)?)
            }
            Code::Component(component) => {
                let linked = sandbox
                    .components
                    .instantiate_pre(component)
                    .map_err(import)?;
                match bindings::TransformerPre::new(linked.clone()) {
                    Ok(transform) => Entrance::Transform(transform),
                    Err(_) => {
                        let command = CommandPre::new(linked).map_err(|_| LoadError::NoExport)?;
                        Entrance::Command(command)
                    }
                }
            }
        };
        Ok(Self {
            engine: sandbox.engine.clone(),
            deadlines: sandbox.deadlines.clone(),
            entrance,
            size,
        })
    }

    /// Its machine code, as an engine takes it again.
    pub(super) fn serialize(&self) -> wasmtime::Result<Vec<u8>> {
        match &self.entrance {
            Entrance::Transform(transform) => transform.instance_pre().component().serialize(),
            Entrance::Command(command) => command.instance_pre().component().serialize(),
            Entrance::Program(program) => program.module().serialize(),
        }
    }

    /// What it is.
    pub fn kind(&self) -> Kind {
        match self.entrance {
            Entrance::Transform(_) => Kind::Transform,
            Entrance::Command(_) | Entrance::Program(_) => Kind::Command,
        }
    }

    /// Size of its machine code, in bytes.
    pub fn size(&self) -> usize {
        self.size
    }
}
