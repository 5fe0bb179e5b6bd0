//! The catalogue's data as of some day.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use keyway_core::catalogue::Model;
use sha2::{Digest as _, Sha256};

use super::Difference;
use super::line::{self, Head, LineError};

/// One model a line; the first line says of which day it is.
const MODELS: &str = include_str!("../../../../catalogue/models.jsonl");

/// A whole catalogue, which was checked.
#[derive(Clone, Debug)]
pub struct Edition {
    head: Head,
    text: Cow<'static, str>,
    /// `None` for the one that the binary brings along.
    path: Option<PathBuf>,
}

/// The SHA-256 of an edition's text.
pub type EditionDigest = [u8; 32];

impl Edition {
    /// What the binary brings along.
    pub fn built_in() -> Self {
        let head = line::head(MODELS).expect("a test reads the built-in catalogue");
        Self { head, text: Cow::Borrowed(MODELS), path: None }
    }

    /// Reads `text`, which is refused whole where one line of it is wrong, or where there are not as many
    /// models as the first line says. `path` is where it lies.
    pub fn read(text: String, path: Option<&Path>) -> Result<Self, LineError> {
        let head = line::head(&text)?;
        let found = line::models(&text)?.len();
        if let Some(said) = head.models.filter(|said| *said != found) {
            let problem = format!("says that {said} models follow, and {found} do");
            return Err(LineError { line: 1, problem });
        }
        Ok(Self { head, text: Cow::Owned(text), path: path.map(Path::to_owned) })
    }

    /// Refuses an edition that does not say how many models it has: what is cut at the end of a line reads
    /// like a smaller one.
    pub fn sized(self) -> Result<Self, LineError> {
        if self.head.models.is_some() {
            return Ok(self);
        }
        let problem = "does not say how many models follow: \"models\" is missing".to_owned();
        Err(LineError { line: 1, problem })
    }

    pub const fn head(&self) -> &Head {
        &self.head
    }

    /// Where it lies; `None` for the one that the binary brings along.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// Its models, read anew: they are needed at starts and changes only, and are many.
    pub fn models(&self) -> Vec<Model> {
        line::models(&self.text).expect("it was checked when it was read")
    }

    /// What is otherwise in this one than in `before`. What that does not have is compared with the built-in
    /// one.
    pub fn compared_with(&self, before: &Self) -> Difference {
        Difference::between(&before.models(), &self.models(), &Self::built_in().models())
    }

    pub fn digest(&self) -> EditionDigest {
        Sha256::digest(self.text.as_bytes()).into()
    }
}
