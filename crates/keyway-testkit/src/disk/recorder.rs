//! Puts the recorder before a process's C library.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::Event;

const SOURCE: &str = include_str!("recorder.c");

/// Records what the processes that are started with its [variables](Self::variables) do to a
/// directory. The log goes with it.
#[derive(Debug)]
pub struct Recorder {
    place: TempDir,
    root: PathBuf,
    log: File,
}

impl Recorder {
    /// For what happens under `root`. Compiles the recorder with `cc`, which SQLite needs as well.
    ///
    /// # Panics
    /// Where it cannot be compiled.
    pub fn of(root: &Path) -> Self {
        let place = tempfile::tempdir().expect("a directory");
        let source = place.path().join("recorder.c");
        std::fs::write(&source, SOURCE).expect("its source");
        let compiled = Command::new("cc")
            .args(["-O1", "-Wall", "-Werror", "-shared", "-fPIC", "-o"])
            .args([&place.path().join("recorder.so"), &source])
            .args(["-ldl", "-lpthread"])
            .status();
        assert!(compiled.is_ok_and(|status| status.success()), "the recorder is compiled");
        let log = File::options().create(true).append(true).open(place.path().join("log"));
        let root = root.canonicalize().expect("the directory");
        Self { root, log: log.expect("a log"), place }
    }

    /// What the process to be recorded is started with.
    pub fn variables(&self) -> [(&'static str, String); 3] {
        let text = |path: PathBuf| path.to_str().expect("text").to_owned();
        [
            ("LD_PRELOAD", text(self.place.path().join("recorder.so"))),
            ("KEYWAY_RECORDER_LOG", text(self.place.path().join("log"))),
            ("KEYWAY_RECORDER_ROOT", text(self.root.clone())),
        ]
    }

    /// Notes what somebody was told, behind all that was done until now.
    pub fn note(&self, text: &str) {
        // One write to a file that is appended to: it stands between records, never in one.
        (&self.log).write_all(&Event::note(text)).expect("the log can be written");
    }

    /// All that happened until now.
    pub fn events(&self) -> Vec<Event> {
        Event::all(&std::fs::read(self.place.path().join("log")).expect("the log"))
    }
}
