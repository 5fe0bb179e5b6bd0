//! Certificates that nobody else trusts, made by the `openssl` that PostgreSQL's packages bring.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The authority's own certificate, in that directory.
pub const AUTHORITY_FILE: &str = "authority.crt";
const DAYS: &str = "2";

/// A server's certificate, with its key.
#[derive(Debug)]
pub struct Certificates {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

impl Certificates {
    /// Makes an authority in the directory `place`, and its certificate for the host `name`.
    pub fn make(place: &Path, name: &str) -> Self {
        let [authority, authority_key] = [AUTHORITY_FILE, "authority.key"].map(|f| place.join(f));
        let [certificate, key] = ["server.crt", "server.key"].map(|file| place.join(file));
        make(&authority, &authority_key, &["-subj", "/CN=authority of a test"]);
        let host = format!("subjectAltName=DNS:{name}");
        let no_authority = "basicConstraints=critical,CA:FALSE";
        let [signed_by, with] = [&authority, &authority_key].map(|path| path.to_string_lossy());
        let of_authority = ["-CA", &*signed_by, "-CAkey", &*with];
        let subject = ["-subj", "/CN=server of a test", "-addext", &*host, "-addext", no_authority];
        make(&certificate, &key, &[&of_authority[..], &subject].concat());
        Self { certificate, key }
    }
}

fn make(certificate: &Path, key: &Path, arguments: &[&str]) {
    let made = Command::new("openssl")
        .args(["req", "-x509", "-nodes", "-days", DAYS, "-newkey", "ec"])
        .args(["-pkeyopt", "ec_paramgen_curve:prime256v1"])
        .args(arguments)
        .arg("-out")
        .arg(certificate)
        .arg("-keyout")
        .arg(key)
        .stderr(Stdio::null())
        .status();
    assert!(made.is_ok_and(|status| status.success()), "openssl makes a certificate");
}
