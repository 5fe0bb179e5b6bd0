//! Mistakes in a configuration: collected while it is read, told all at once.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use super::Config;

/// Where something stands: its offset in the text and its path in the document.
#[derive(Clone, Debug, Default)]
pub(super) struct Place {
    pub(super) offset: usize,
    /// `models[0].endpoints[1].provider`; empty for the whole document.
    pub(super) path: String,
}

impl Place {
    /// A field of the section at this place.
    pub(super) fn field(&self, name: &str, offset: usize) -> Self {
        let path =
            if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) };
        Self { offset, path }
    }

    /// An entry of the list at this place.
    pub(super) fn entry(&self, index: usize, offset: usize) -> Self {
        Self { offset, path: format!("{}[{index}]", self.path) }
    }
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Line and column, from 1, in characters; `None` where it is about the whole file.
    pub position: Option<(usize, usize)>,
    /// The field's path; empty where the text is no TOML.
    pub field: String,
    pub problem: String,
    pub allowed: String,
}

/// Everything that is wrong with a configuration, in the order of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors {
    pub origin: PathBuf,
    pub mistakes: Vec<Mistake>,
}

impl ConfigErrors {
    /// The file as a whole cannot be had.
    pub(super) fn of_file(origin: &Path, problem: &str, allowed: &str) -> Self {
        let mistake = Mistake {
            position: None,
            field: String::new(),
            problem: problem.to_owned(),
            allowed: allowed.to_owned(),
        };
        Self { origin: origin.to_owned(), mistakes: vec![mistake] }
    }
}

impl fmt::Display for ConfigErrors {
    /// One mistake a line, without a line end after the last.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.mistakes.iter().enumerate() {
            let line_end = if index == 0 { "" } else { "\n" };
            write!(f, "{line_end}{}", self.origin.display())?;
            if let Some((line, column)) = mistake.position {
                write!(f, ":{line}:{column}")?;
            }
            if !mistake.field.is_empty() {
                write!(f, ": {}", mistake.field)?;
            }
            write!(f, ": {}", mistake.problem)?;
            if !mistake.allowed.is_empty() {
                write!(f, "; allowed: {}", mistake.allowed)?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// Collects what is found while a text is read.
pub(super) struct Report<'a> {
    text: &'a str,
    origin: &'a Path,
    /// Where each line begins.
    lines: Vec<usize>,
    /// Lines that are no TOML; what was made of them by guessing is not told as well.
    broken_lines: BTreeSet<usize>,
    mistakes: Vec<Mistake>,
    warnings: Vec<String>,
}

impl<'a> Report<'a> {
    pub(super) fn new(text: &'a str, origin: &'a Path) -> Self {
        let ends = text.bytes().enumerate().filter(|&(_, byte)| byte == b'\n');
        let lines = std::iter::once(0).chain(ends.map(|(at, _)| at + 1)).collect();
        Self {
            text,
            origin,
            lines,
            broken_lines: BTreeSet::new(),
            mistakes: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// The text is no TOML at `offset`.
    pub(super) fn syntax(&mut self, offset: usize, problem: &str) {
        let position = self.position(offset);
        self.broken_lines.insert(position.0);
        let problem = format!("is not TOML: {}", one_line(problem));
        self.push(position, String::new(), problem, String::new());
    }

    /// What stands at `place` is wrong.
    pub(super) fn wrong(&mut self, place: &Place, problem: &str, allowed: &str) {
        let position = self.position(place.offset);
        if !self.broken_lines.contains(&position.0) {
            self.push(position, one_line(&place.path), one_line(problem), one_line(allowed));
        }
    }

    /// Something does not stand at `place`. Where the text is no TOML it may stand in what could
    /// not be read, so that nothing is said.
    pub(super) fn missing(&mut self, place: &Place, problem: &str, allowed: &str) {
        if self.broken_lines.is_empty() {
            self.wrong(place, problem, allowed);
        }
    }

    /// What stands at `place` works, but should not stay.
    pub(super) fn warn(&mut self, place: &Place, advice: &str) {
        let (line, column) = self.position(place.offset);
        let origin = self.origin.display();
        self.warnings
            .push(format!("{origin}:{line}:{column}: {}: {advice}", one_line(&place.path)));
    }

    /// Where something stands, for a message about something else.
    pub(super) fn line_of(&self, place: &Place) -> usize {
        self.position(place.offset).0
    }

    /// The configuration if nothing was wrong with it.
    pub(super) fn conclude(mut self, config: Option<Config>) -> Result<Config, ConfigErrors> {
        match config {
            Some(config) if self.mistakes.is_empty() => {
                Ok(Config { warnings: self.warnings, ..config })
            }
            _ => {
                self.mistakes.sort_by_key(|mistake| mistake.position);
                Err(ConfigErrors { origin: self.origin.to_owned(), mistakes: self.mistakes })
            }
        }
    }

    fn push(&mut self, position: (usize, usize), field: String, problem: String, allowed: String) {
        self.mistakes.push(Mistake { position: Some(position), field, problem, allowed });
    }

    fn position(&self, offset: usize) -> (usize, usize) {
        let line = self.lines.partition_point(|&start| start <= offset);
        let start = self.lines[line - 1];
        let before = self.text.get(start..offset).unwrap_or_default();
        (line, before.chars().count() + 1)
    }
}

/// Keeps a message in its line, whatever a field of the file is called.
pub(crate) fn one_line(text: &str) -> String {
    text.chars()
        .map(
            |character| {
                if character.is_control() { char::REPLACEMENT_CHARACTER } else { character }
            },
        )
        .collect()
}
