//! What is measured: the provider itself, and what stands before it.

mod keyway;
mod litellm;
mod nginx;
mod program;

use std::path::{Path, PathBuf};

use clap::ValueEnum;

use self::program::Program;
use crate::exchange::Asking;
use crate::process::{Used, used};

pub(crate) use self::keyway::{Keyway, Store, asking};

/// What the provider calls its model.
const UPSTREAM_MODEL: &str = "bench-1";

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// The provider, with nothing before it.
    Direct,
    /// A plain reverse proxy that keeps its connections to the provider.
    Nginx,
    /// Keyway on SQLite whose commits survive the end of the process.
    Process,
    /// Keyway on SQLite whose commits survive a power failure.
    Flush,
    /// Keyway on PostgreSQL, which flushes.
    Postgresql,
    /// LiteLLM with a key, without limits and without a store.
    Litellm,
}

impl Kind {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Nginx => "nginx",
            Self::Process => "keyway, process",
            Self::Flush => "keyway, flush",
            Self::Postgresql => "keyway, postgresql",
            Self::Litellm => "litellm",
        }
    }
}

/// Where the programs are.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    pub(crate) keyway: PathBuf,
    pub(crate) nginx: PathBuf,
    pub(crate) litellm: PathBuf,
}

/// One that runs. Stopped when dropped.
pub(crate) struct Subject {
    pub(crate) kind: Kind,
    provider: String,
    running: Running,
}

enum Running {
    Nothing,
    Program(Box<Program>),
    Keyway(Box<Keyway>),
}

impl Subject {
    /// Starts one before the provider at `provider` (`HOST:PORT`).
    ///
    /// # Panics
    /// Where its program is not there, or does not start.
    pub(crate) async fn start(kind: Kind, programs: &Programs, provider: &str) -> Self {
        let keyway = |store| Keyway::start(&programs.keyway, store, provider);
        let running = match kind {
            Kind::Direct => Running::Nothing,
            Kind::Nginx => {
                Running::Program(Box::new(nginx::start(&programs.nginx, provider).await))
            }
            Kind::Process => Running::Keyway(Box::new(keyway(Store::Process).await)),
            Kind::Flush => Running::Keyway(Box::new(keyway(Store::Flush).await)),
            Kind::Postgresql => Running::Keyway(Box::new(keyway(Store::Postgresql).await)),
            Kind::Litellm => {
                Running::Program(Box::new(litellm::start(&programs.litellm, provider).await))
            }
        };
        Self { kind, provider: provider.to_owned(), running }
    }

    pub(crate) fn asking(&self, streamed: bool) -> Asking {
        let key = if self.kind == Kind::Litellm { litellm::KEY } else { "none" };
        let to = |authority: &str| {
            Asking::new(authority, "/v1/chat/completions", key, UPSTREAM_MODEL, streamed)
        };
        match &self.running {
            Running::Nothing => to(&self.provider),
            Running::Program(program) => to(&program.authority),
            Running::Keyway(keyway) => keyway.asking(streamed),
        }
    }

    /// What it has used so far, without its database.
    pub(crate) fn used(&self) -> Used {
        match &self.running {
            Running::Nothing => Used::default(),
            Running::Program(program) => used(program.pid()),
            Running::Keyway(keyway) => used(keyway.pid()),
        }
    }

    /// What its database has used so far, where that is a process of its own.
    pub(crate) fn database_used(&self) -> Used {
        match &self.running {
            Running::Keyway(keyway) => keyway.database_pid().map(used).unwrap_or_default(),
            Running::Nothing | Running::Program(_) => Used::default(),
        }
    }
}

/// Whether there is such a program: a path, or a name that `PATH` leads to.
pub(crate) fn is_installed(program: &Path) -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    program.is_file() || std::env::split_paths(&paths).any(|it| it.join(program).is_file())
}
