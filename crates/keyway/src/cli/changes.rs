//! What the gateway reads at its start, and again at each SIGHUP: the configuration and the catalogue.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use keyway_server::app::App;
use keyway_server::catalogue::{Edition, Folder, FolderError, switch_on};
use keyway_server::config::{Config, ConfigErrors};
use thiserror::Error;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{CliError, ServeArgs, config};

/// Where they lie.
#[derive(Clone, Debug)]
pub(crate) struct Sources {
    config: Option<PathBuf>,
    folder: Folder,
}

/// Why they cannot be put in force.
#[derive(Debug, Error)]
pub(crate) enum SourceError {
    #[error("{0}")]
    Config(#[from] ConfigErrors),
    #[error("{0}")]
    Catalogue(#[from] FolderError),
}

impl Sources {
    /// Those of the configuration that is named, or that lies here, and of a data directory.
    pub(crate) fn new(named: Option<&Path>, data_dir: &Path) -> Self {
        let config = named.or(config::lying_here()).map(Path::to_owned);
        Self { config, folder: Folder::of(data_dir) }
    }

    /// The configuration, with the catalogue's models at the providers that the environment switches on,
    /// and the edition that they are of, which takes the place of `in_force`.
    pub(crate) fn read(&self, in_force: &Edition) -> Result<(Config, Edition), SourceError> {
        let mut config = config::find(self.config.as_deref())?;
        let edition = self.folder.load(in_force)?;
        switch_on(&mut config, &edition, &|name| std::env::var(name).ok());
        Ok((config, edition))
    }
}

/// Puts in force what is read again.
#[derive(Debug)]
pub(crate) struct Changes {
    sources: Sources,
    /// What the gateway was started with, and most of which stands until it ends.
    started: Config,
    /// What prices are compared with.
    in_force: Edition,
    hangups: Signal,
}

impl Changes {
    /// Reads everything for the start. From here on SIGHUP ends nothing.
    pub(crate) fn begin(args: &ServeArgs) -> Result<(Config, Self), CliError> {
        let failed = |error| CliError::failed(format!("cannot wait for signals: {error}"));
        let hangups = signal(SignalKind::hangup()).map_err(failed)?;
        let sources = Sources::new(args.config.as_deref(), &args.data_dir);
        let (config, in_force) =
            sources.read(&Edition::built_in()).map_err(|error| match error {
                SourceError::Config(errors) => config::refused(&errors),
                SourceError::Catalogue(error) => CliError::failed(error.to_string()),
            })?;
        warn_of_age(&in_force);
        Ok((config.clone(), Self { sources, started: config, in_force, hangups }))
    }

    /// Follows SIGHUP until the gateway leaves. What is wrong changes nothing, and is logged.
    pub(crate) async fn follow(mut self, app: Arc<App>) {
        loop {
            self.accept().await;
            tokio::select! {
                () = app.leave.cancelled() => return,
                _ = self.hangups.recv() => {}
            }
            match self.renew(&app).await {
                Ok(edition) => self.in_force = edition,
                Err(problem) => {
                    for line in problem.lines() {
                        tracing::error!("{line}");
                    }
                    tracing::error!("the models and prices stay what they were");
                }
            }
        }
    }

    async fn renew(&self, app: &App) -> Result<Edition, String> {
        let (sources, in_force) = (self.sources.clone(), self.in_force.clone());
        let read = tokio::task::spawn_blocking(move || sources.read(&in_force)).await;
        let read = read.map_err(|_| "the configuration cannot be read".to_owned())?;
        let (config, edition) = read.map_err(|error| error.to_string())?;
        self.refuse_other_providers(&config)?;
        for warning in &config.warnings {
            tracing::warn!("{warning}");
        }
        app.renew_catalogue(&config).map_err(|error| error.to_string())?;
        tracing::info!(data = edition.head().day, "models and prices were read again");
        for section in self.started.sections_changed(&config) {
            tracing::warn!("what [{section}] says otherwise now takes effect at the next start");
        }
        Ok(edition)
    }

    /// Prices are said of a provider as it stands in the same file: none is put in force at another.
    fn refuse_other_providers(&self, config: &Config) -> Result<(), String> {
        for started in &self.started.providers {
            let later = config.providers.iter().find(|it| it.slug == started.slug);
            if let Some(field) = later.and_then(|later| started.field_changed(later)) {
                return Err(format!(
                    "{field} of the provider \"{}\" is not what this gateway was started with: start \
                     it again",
                    started.slug
                ));
            }
        }
        Ok(())
    }

    /// Notes that what is in force need not be compared by the next start.
    async fn accept(&self) {
        let (folder, edition) = (self.sources.folder.clone(), self.in_force.clone());
        let noted = tokio::task::spawn_blocking(move || folder.accept(&edition)).await;
        if let Ok(Err(error)) = noted {
            tracing::warn!(%error, "the next start will compare the catalogue again");
        }
    }
}

/// The operator chose an edition, and it stands; but a newer Keyway may know better.
fn warn_of_age(edition: &Edition) {
    let built_in = Edition::built_in();
    let Some(path) = edition.path().filter(|_| edition.head().day < built_in.head().day) else {
        return;
    };
    tracing::warn!(
        file = %path.display(),
        data = edition.head().day,
        built_in = built_in.head().day,
        "the catalogue is older than the one that this version brings along; removing it puts that in force"
    );
}
