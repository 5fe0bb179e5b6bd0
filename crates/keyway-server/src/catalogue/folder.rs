//! Where an edition lies that the operator put in the place of the built-in one.
//!
//! `keyway catalogue update` writes it, and notes its digest beside it: its prices were compared with what
//! they replace, and where one leaps somebody confirmed it. An edition that came there in another way is
//! compared when it is loaded, and noted likewise once it is in force, so that no start compares it again.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use thiserror::Error;

use super::{BYTES_MAX, Edition, EditionDigest, LineError};
use crate::secret_file::sync_directory;

const FOLDER: &str = "catalogue";
/// One model a line, as in the folder of the same name in the sources.
pub(super) const MODELS_FILE: &str = "models.jsonl";
/// A digest a line: of the edition, and of those before it.
const ACCEPTED_FILE: &str = "accepted";
/// What an update leaves there, and one that came into force beside it.
const ACCEPTED_MAX: usize = 3;
/// As many digests and their line ends.
const ACCEPTED_BYTES_MAX: u64 = 256;

/// `catalogue/` in a data directory.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
}

/// Why an edition cannot be loaded, or not be put there.
#[derive(Debug, Error)]
pub enum FolderError {
    #[error("cannot read {0}: {1}")]
    Read(PathBuf, #[source] io::Error),
    #[error("cannot write {0}: {1}")]
    Write(PathBuf, #[source] io::Error),
    #[error("{0} is refused: {1}")]
    Refused(PathBuf, #[source] LineError),
    #[error("another update of {0} is under way")]
    Busy(PathBuf),
    #[error(
        "{path} is refused: {leaps} of its prices are more than ten times what they were or less than a \
         tenth, {first} for one; `keyway catalogue update {path} --confirm` accepts it"
    )]
    Leaps { path: PathBuf, leaps: usize, first: String },
}

/// Held while an edition is put in the place of another.
#[derive(Debug)]
pub struct FolderLock {
    _directory: File,
}

impl Folder {
    pub fn of(data_dir: &Path) -> Self {
        Self { path: data_dir.join(FOLDER) }
    }

    /// Where its edition lies, or would.
    pub fn models(&self) -> PathBuf {
        self.path.join(MODELS_FILE)
    }

    /// The edition that lies here; the built-in one where there is none.
    pub fn edition(&self) -> Result<Edition, FolderError> {
        let path = self.models();
        if !path.try_exists().map_err(|error| FolderError::Read(path.clone(), error))? {
            return Ok(Edition::built_in());
        }
        let text = read_text(&path).map_err(|error| FolderError::Read(path.clone(), error))?;
        Edition::read(text, Some(&path)).map_err(|error| FolderError::Refused(path, error))
    }

    /// The edition that lies here, if somebody accepted it; else the built-in one, which is what prices are
    /// compared with until then.
    pub fn accepted_edition(&self) -> Result<Edition, FolderError> {
        let edition = self.edition()?;
        Ok(if self.is_accepted(&edition) { edition } else { Edition::built_in() })
    }

    /// The edition that lies here, to be put in force in the place of `in_force`: refused where a price leaps
    /// and nobody accepted that, and where it may have been cut.
    pub fn load(&self, in_force: &Edition) -> Result<Edition, FolderError> {
        let edition = self.edition()?;
        if edition.text() == in_force.text() || self.is_accepted(&edition) {
            return Ok(edition);
        }
        let path = self.models();
        let edition = match edition.sized() {
            Ok(edition) => edition,
            Err(error) => return Err(FolderError::Refused(path, error)),
        };
        let difference = edition.compared_with(in_force);
        let leaps = difference.leaps().count();
        let Some(first) = difference.leaps().next() else { return Ok(edition) };
        let first = format!("of {} at {}", first.at.model, first.at.provider);
        Err(FolderError::Leaps { path, leaps, first })
    }

    /// Notes that `edition`, which is in force, is accepted: the next start does not compare it again.
    pub fn accept(&self, edition: &Edition) -> Result<(), FolderError> {
        if self.is_accepted(edition) {
            return Ok(());
        }
        let _lock = match self.lock() {
            // What is put there now is accepted by who puts it there.
            Err(FolderError::Busy(_)) => return Ok(()),
            lock => lock?,
        };
        // An update that ended meanwhile has noted its own, which stay.
        let before = self.accepted();
        let digests = [hex(&edition.digest())].into_iter().chain(before).take(ACCEPTED_MAX);
        self.place(ACCEPTED_FILE, &digests.map(|digest| digest + "\n").collect::<String>())
    }

    /// Makes the folder where there is none, and keeps other updates out.
    pub fn lock(&self) -> Result<FolderLock, FolderError> {
        let failed = |error| FolderError::Write(self.path.clone(), error);
        std::fs::create_dir_all(&self.path).map_err(failed)?;
        let directory = File::open(&self.path).map_err(failed)?;
        match flock(&directory, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(FolderLock { _directory: directory }),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(FolderError::Busy(self.path.clone())),
            Err(error) => Err(failed(error.into())),
        }
    }

    /// Puts `edition` here, accepted, in the place of `before`: whole and durably, or not at all.
    pub fn install(
        &self,
        _: &FolderLock,
        edition: &Edition,
        before: &Edition,
    ) -> Result<(), FolderError> {
        // Both digests: whenever it ends in the middle, the edition that lies here is accepted.
        let digests = format!("{}\n{}\n", hex(&edition.digest()), hex(&before.digest()));
        self.place(ACCEPTED_FILE, &digests)?;
        self.place(MODELS_FILE, edition.text())
    }

    fn place(&self, name: &str, text: &str) -> Result<(), FolderError> {
        let path = self.path.join(name);
        let partial = self.path.join(format!("{name}.partial"));
        let placed = std::fs::write(&partial, text)
            .and_then(|()| File::open(&partial)?.sync_all())
            .and_then(|()| std::fs::rename(&partial, &path))
            .and_then(|()| sync_directory(&self.path));
        placed.map_err(|error| FolderError::Write(path, error))
    }

    /// Whether prices need not be compared: those of the built-in one are what others are compared with.
    fn is_accepted(&self, edition: &Edition) -> bool {
        edition.path().is_none() || self.accepted().contains(&hex(&edition.digest()))
    }

    /// What cannot be read accepts nothing.
    fn accepted(&self) -> Vec<String> {
        let mut text = String::new();
        let file = File::open(self.path.join(ACCEPTED_FILE));
        let read = file.and_then(|it| it.take(ACCEPTED_BYTES_MAX).read_to_string(&mut text));
        match read {
            Ok(_) => text.lines().map(str::to_owned).collect(),
            Err(_) => Vec::new(),
        }
    }
}

/// Reads the text of a catalogue: of the file at `path`, or of that in the folder at `path`.
pub fn read_text(path: &Path) -> io::Result<String> {
    let within = path.join(MODELS_FILE);
    let path = if path.is_dir() { &within } else { path };
    let mut bytes = Vec::new();
    File::open(path)?.take(BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > BYTES_MAX {
        return Err(io::Error::other(format!("it is larger than {BYTES_MAX} bytes")));
    }
    String::from_utf8(bytes).map_err(|_| io::Error::other("it is not UTF-8"))
}

fn hex(digest: &EditionDigest) -> String {
    digest.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes all text");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edition(prompt: &str) -> Edition {
        let text = format!(
            r#"{{"version": "2026-01-01", "models": 1, "sources": [{{"package": "a test"}}]}}
{{"id": "a/b", "name": "B", "input_modalities": ["text"], "output_modalities": ["text"], "endpoints": [{{"provider": "p", "upstream_model": "m", "context_length": 9, "max_completion_tokens": 9, "supported_parameters": [], "pricing": {{"prompt": "{prompt}", "completion": "0"}}}}]}}
"#
        );
        Edition::read(text, None).expect("a catalogue")
    }

    #[test]
    fn a_leap_is_loaded_only_where_it_was_accepted() {
        let directory = tempfile::tempdir().expect("a directory");
        let folder = Folder::of(directory.path());
        let (low, high) = (edition("0.000001"), edition("0.00002"));
        assert_eq!(folder.load(&low).expect("loaded").path(), None, "the built-in one");

        let lock = folder.lock().expect("locked");
        assert!(matches!(folder.lock(), Err(FolderError::Busy(_))));
        folder.install(&lock, &low, &Edition::built_in()).expect("written");
        drop(lock);
        assert_eq!(folder.load(&high).expect("accepted").text(), low.text());
        assert_eq!(folder.accepted_edition().expect("readable").text(), low.text());

        std::fs::write(folder.models(), high.text()).expect("written by hand");
        let refused = folder.load(&low).expect_err("nobody accepted it").to_string();
        assert!(refused.contains("1 of its prices") && refused.contains("a/b at p"), "{refused}");
        let compared_with = folder.accepted_edition().expect("readable");
        assert_eq!(compared_with.path(), None, "not with what nobody accepted");
        assert!(folder.load(&high).is_ok(), "it replaces itself");
        assert!(folder.load(&edition("0.00001")).is_ok(), "it is twice that");

        folder.install(&folder.lock().expect("locked"), &high, &low).expect("written");
        assert_eq!(folder.load(&low).expect("accepted").text(), high.text());
        // As if it had ended before the second file was there.
        std::fs::write(folder.models(), low.text()).expect("written");
        assert_eq!(folder.load(&high).expect("accepted").text(), low.text());
    }

    #[test]
    fn what_came_there_by_hand_is_compared_once() {
        let directory = tempfile::tempdir().expect("a directory");
        let folder = Folder::of(directory.path());
        let (low, high) = (edition("0.000001"), edition("0.00002"));
        folder.install(&folder.lock().expect("locked"), &low, &high).expect("written");
        let by_hand = edition("0.00001");
        std::fs::write(folder.models(), by_hand.text()).expect("written");
        assert!(folder.load(&high).is_ok(), "it is half of that");
        assert!(folder.load(&edition("0")).is_err(), "and not accepted yet");

        folder.accept(&folder.load(&low).expect("loaded")).expect("written");
        assert!(folder.load(&edition("0")).is_ok());
        assert_eq!(folder.accepted_edition().expect("readable").text(), by_hand.text());
        // As if an update had put it there after it was loaded.
        std::fs::write(folder.models(), low.text()).expect("written");
        assert!(folder.load(&edition("0")).is_ok(), "what an update noted stays");
    }

    #[test]
    fn what_may_have_been_cut_is_taken_only_where_it_was_accepted() {
        let directory = tempfile::tempdir().expect("a directory");
        let folder = Folder::of(directory.path());
        let unsized_text = edition("0.000001").text().replace(r#""models": 1, "#, "");
        let unsized_edition = Edition::read(unsized_text.clone(), None).expect("readable");
        drop(folder.lock().expect("locked"));
        std::fs::write(folder.models(), &unsized_text).expect("written");
        let refused = folder.load(&Edition::built_in()).expect_err("unsized").to_string();
        assert!(refused.contains("line 1: does not say how many models follow"), "{refused}");

        let lock = folder.lock().expect("locked");
        folder.install(&lock, &unsized_edition, &Edition::built_in()).expect("written");
        assert_eq!(folder.load(&Edition::built_in()).expect("accepted").text(), unsized_text);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let directory = tempfile::tempdir().expect("a directory");
        let folder = Folder::of(directory.path());
        drop(folder.lock().expect("locked"));
        let text = edition("0").text().replace("\"completion\": \"0\"", "\"completion\": 0");
        std::fs::write(folder.models(), text).expect("written");
        let refused = folder.load(&Edition::built_in()).expect_err("wrong").to_string();
        assert!(
            refused.contains("models.jsonl is refused: line 2: pricing.completion"),
            "{refused}"
        );
        assert_eq!(
            read_text(&folder.path).expect("a folder is its file"),
            read_text(&folder.models()).expect("a file")
        );
    }
}
