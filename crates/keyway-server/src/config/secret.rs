//! Secrets that a configuration refers to.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use keyway_core::secret::KeySecret;
use zeroize::Zeroizing;

/// Longest secret, in bytes.
const SECRET_BYTES_MAX: usize = 8 * 1024;

/// What a secret is for.
pub(super) struct Purpose {
    /// Whether spaces and line ends may be in it.
    spaced: bool,
    /// What a character that may not be in it does.
    unfit: &'static str,
    allowed: &'static str,
}

impl Purpose {
    const fn takes(&self, byte: u8) -> bool {
        byte.is_ascii_graphic() || (self.spaced && byte.is_ascii_whitespace())
    }
}

/// A credential is sent as a header: nothing in it may end the header or begin another.
pub(super) static CREDENTIAL: Purpose = Purpose {
    spaced: false,
    unfit: "holds a character that cannot be sent in a header",
    allowed: "1 to 8192 visible ASCII characters without spaces; leave api_key out to send none",
};

/// A service account's file, of which parts are sent and none is shown; or a key like any other.
pub(super) static ACCOUNT: Purpose = Purpose {
    spaced: true,
    unfit: "holds a character that is not ASCII",
    allowed: "a service account's JSON file (\"file:PATH\"), or a key of 1 to 8192 ASCII characters",
};

pub(super) static STORE_URL: Purpose = Purpose {
    spaced: false,
    unfit: "holds a character that no URL has",
    allowed: "\"postgres://user@host/database\"; leave url out for the embedded store",
};

/// A secret, and whether it stands in the configuration itself.
pub(super) struct Found {
    pub(super) secret: KeySecret,
    pub(super) literal: bool,
}

/// What is wrong with a secret; completes "`field` ". Never its value.
pub(super) struct Wrong {
    pub(super) problem: String,
    pub(super) allowed: &'static str,
}

/// Reads the secret that `source` names: `env:NAME`, `file:PATH` (relative to `folder`) or itself.
pub(super) fn read(
    source: &str,
    purpose: &Purpose,
    folder: &Path,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Found, Wrong> {
    if let Some(name) = source.strip_prefix("env:") {
        let secret = from_environment(name, purpose, env)?;
        return Ok(Found { secret, literal: false });
    }
    if let Some(path) = source.strip_prefix("file:") {
        let secret = from_file(path, purpose, folder)?;
        return Ok(Found { secret, literal: false });
    }
    let secret = usable(source, purpose, "")?;
    Ok(Found { secret, literal: true })
}

fn from_environment(
    name: &str,
    purpose: &Purpose,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<KeySecret, Wrong> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) || !name.bytes().all(plain)
    {
        return Err(Wrong {
            problem: "names no environment variable after \"env:\"".to_owned(),
            allowed: "\"env:\" and a name of letters, digits and \"_\"",
        });
    }
    let value = env(name).map(Zeroizing::new).ok_or_else(|| Wrong {
        problem: format!("names the environment variable {name}, which is not set"),
        allowed: "the name of a variable that is set where Keyway starts",
    })?;
    usable(&value, purpose, &format!("names the environment variable {name}, which "))
}

fn from_file(path: &str, purpose: &Purpose, folder: &Path) -> Result<KeySecret, Wrong> {
    if path.is_empty() {
        return Err(Wrong {
            problem: "names no file after \"file:\"".to_owned(),
            allowed: "\"file:\" and a path",
        });
    }
    let path = folder.join(path);
    let shown = path.display();
    let mut text = Zeroizing::new(String::new());
    // One byte more than a secret and its line end may have shows that a file is too long.
    let bytes_max = SECRET_BYTES_MAX as u64 + 3;
    let read = File::open(&path).and_then(|file| file.take(bytes_max).read_to_string(&mut text));
    read.map_err(|error| Wrong {
        problem: format!("names the file {shown}, which cannot be read: {error}"),
        allowed: "a file that Keyway's user may read",
    })?;
    usable(text.trim_ascii_end(), purpose, &format!("names the file {shown}, which "))
}

fn usable(text: &str, purpose: &Purpose, whose: &str) -> Result<KeySecret, Wrong> {
    let problem = match text {
        "" => "is empty",
        text if text.len() > SECRET_BYTES_MAX => "is longer than 8192 bytes",
        text if !text.bytes().all(|byte| purpose.takes(byte)) => purpose.unfit,
        text => return Ok(KeySecret::from_presented(text)),
    };
    Err(Wrong { problem: format!("{whose}{problem}"), allowed: purpose.allowed })
}
