//! A compiled and linked plugin.

use super::Sandbox;
use super::bindings;
use super::deadline::Deadlines;
use super::error::LoadError;
use super::input::Kind;
use super::state::State;
use wasmtime::Engine;
use wasmtime::component::Component;
use wasmtime_wasi::p2::bindings::sync::CommandPre;

/// How a plugin is entered.
#[derive(Clone)]
pub(super) enum Entrance {
    Transform(bindings::TransformerPre<State>),
    Command(CommandPre<State>),
}

/// A compiled and linked plugin; cheap to clone.
#[derive(Clone)]
pub struct Plugin {
    /// What it runs in.
    pub(super) engine: Engine,
    /// Ends its runs when their time is over.
    pub(super) deadlines: Deadlines,
    /// The linked component.
    pub(super) entrance: Entrance,
    /// Size of the machine code, in bytes.
    size: usize,
}

impl Plugin {
    pub(super) fn link(sandbox: &Sandbox, component: &Component) -> Result<Self, LoadError> {
        let range = component.image_range();
        let size = (range.end as usize).saturating_sub(range.start as usize);
        let prepared = sandbox
            .linker
            .instantiate_pre(component)
            .map_err(|error| LoadError::Import(format!("{error:#}")))?;
        let entrance = if let Ok(transform) = bindings::TransformerPre::new(prepared.clone()) {
            Entrance::Transform(transform)
        } else {
            Entrance::Command(CommandPre::new(prepared).map_err(|_| LoadError::NoExport)?)
        };
        Ok(Self {
            engine: sandbox.engine.clone(),
            deadlines: sandbox.deadlines.clone(),
            entrance,
            size,
        })
    }

    /// The compiled component.
    pub(super) fn component(&self) -> &Component {
        match &self.entrance {
            Entrance::Transform(transform) => transform.instance_pre().component(),
            Entrance::Command(command) => command.instance_pre().component(),
        }
    }

    /// What it is.
    pub fn kind(&self) -> Kind {
        match self.entrance {
            Entrance::Transform(_) => Kind::Transform,
            Entrance::Command(_) => Kind::Command,
        }
    }

    /// Size of its machine code, in bytes.
    pub fn size(&self) -> usize {
        self.size
    }
}
