//! The store's URL: where the database is, and how the connection to it is secured.

use std::net::IpAddr;
use std::path::PathBuf;

use percent_encoding::percent_decode_str;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

use crate::open::OpenError;

const SCHEMES: [&str; 2] = ["postgres://", "postgresql://"];
/// As libpq calls the authorities that everybody trusts.
const PUBLIC: &str = "system";

/// What is asked of the server's certificate, in the words of libpq's `sslmode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encryption {
    /// No TLS.
    Disable,
    /// TLS where the server offers it. Nothing is checked: it keeps out who only listens.
    Prefer,
    /// TLS. Nothing is checked.
    Require,
    /// TLS, with a certificate of a trusted authority.
    VerifyCa,
    /// The same, with a certificate that is for the host of the URL.
    VerifyFull,
}

/// Whose signature on a certificate counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Authorities {
    /// Those that Mozilla trusts.
    Public,
    /// Those in a file of PEM certificates.
    File(PathBuf),
}

/// A URL, taken apart.
#[derive(Debug)]
pub(crate) struct Destination {
    pub(crate) config: Config,
    pub(crate) encryption: Encryption,
    pub(crate) authorities: Authorities,
}

impl Destination {
    /// Reads `url`. No error repeats any of it but the names of options.
    pub(crate) fn parse(url: &str) -> Result<Self, OpenError> {
        let refused = |problem: &str| OpenError::Url(problem.to_owned());
        if !SCHEMES.iter().any(|scheme| url.starts_with(scheme)) {
            return Err(refused("it has to begin with postgres://"));
        }
        // As the library does: a password may have a question mark.
        let behind_user = url.find('@').unwrap_or(0);
        let query = url[behind_user..].find('?').map(|at| behind_user + at);
        let (place, options) = query.map_or((url, ""), |at| (&url[..at], &url[at + 1..]));
        let mut mode = None;
        let mut authorities = None;
        let mut others = Vec::new();
        for option in options.split('&').filter(|option| !option.is_empty()) {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            if !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') {
                return Err(refused(
                    "what stands behind \"?\" is not name=value&name=value (special characters of a \
                     user or password are written %XX)",
                ));
            }
            let value = percent_decode_str(value).decode_utf8_lossy();
            match name {
                "sslmode" => mode = Some(sslmode(&value)?),
                "sslrootcert" if value == PUBLIC => authorities = Some(Authorities::Public),
                "sslrootcert" => authorities = Some(Authorities::File(value.as_ref().into())),
                _ => others.push(option),
            }
        }
        let mut config: Config =
            format!("{place}?{}", others.join("&")).parse().map_err(|error| unreadable(&error))?;
        let encryption = encryption(mode, authorities.as_ref(), config.get_hosts())?;
        config.ssl_mode(match encryption {
            Encryption::Disable => SslMode::Disable,
            Encryption::Prefer => SslMode::Prefer,
            Encryption::Require | Encryption::VerifyCa | Encryption::VerifyFull => SslMode::Require,
        });
        let authorities = authorities.unwrap_or(Authorities::Public);
        Ok(Self { config, encryption, authorities })
    }
}

fn unreadable(error: &tokio_postgres::Error) -> OpenError {
    let cause = std::error::Error::source(error);
    OpenError::Url(cause.map_or_else(|| error.to_string(), ToString::to_string))
}

fn sslmode(word: &str) -> Result<Encryption, OpenError> {
    match word {
        "disable" => Ok(Encryption::Disable),
        "prefer" => Ok(Encryption::Prefer),
        "require" => Ok(Encryption::Require),
        "verify-ca" => Ok(Encryption::VerifyCa),
        "verify-full" => Ok(Encryption::VerifyFull),
        _ => {
            let known = "sslmode is one of disable, prefer, require, verify-ca and verify-full";
            Err(OpenError::Url(known.to_owned()))
        }
    }
}

/// Who names authorities wants certificates checked. Beyond this machine they are unless the URL
/// says otherwise: whoever can pretend to be the database learns its password and every charge.
fn encryption(
    asked: Option<Encryption>,
    authorities: Option<&Authorities>,
    hosts: &[Host],
) -> Result<Encryption, OpenError> {
    match (asked, authorities) {
        (Some(Encryption::Disable | Encryption::Prefer), Some(_)) => {
            let unused = "sslrootcert has no use with this sslmode, which checks no certificate";
            Err(OpenError::Url(unused.to_owned()))
        }
        // As libpq has it.
        (Some(Encryption::Require), Some(_)) => Ok(Encryption::VerifyCa),
        (Some(asked), _) => Ok(asked),
        (None, None) if hosts.iter().all(|host| matches!(host, Host::Unix(_))) => {
            Ok(Encryption::Disable)
        }
        (None, None) if hosts.iter().all(is_here) => Ok(Encryption::Prefer),
        (None, _) => Ok(Encryption::VerifyFull),
    }
}

fn is_here(host: &Host) -> bool {
    match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            name == "localhost" || name.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encryption_of(url: &str) -> Encryption {
        Destination::parse(url).expect(url).encryption
    }

    fn refusal(url: &str) -> String {
        Destination::parse(url).expect_err(url).to_string()
    }

    #[test]
    fn beyond_this_machine_the_certificate_is_checked_unless_the_url_says_otherwise() {
        for (url, expected) in [
            ("postgres://keyway@db.internal/keyway", Encryption::VerifyFull),
            ("postgres://keyway@10.0.0.7/keyway", Encryption::VerifyFull),
            ("postgres://keyway@localhost,db.internal/keyway", Encryption::VerifyFull),
            ("postgres://keyway@localhost/keyway", Encryption::Prefer),
            ("postgresql://keyway@127.0.0.1:5433/keyway", Encryption::Prefer),
            ("postgres://keyway@%2Frun%2Fpostgresql/keyway", Encryption::Disable),
            ("postgres://db.internal/keyway?sslmode=disable", Encryption::Disable),
            ("postgres://db.internal/keyway?sslmode=require", Encryption::Require),
            ("postgres://db/k?sslmode=require&sslrootcert=ca.crt", Encryption::VerifyCa),
            ("postgres://db/k?sslmode=verify-ca&sslrootcert=ca.crt", Encryption::VerifyCa),
            ("postgres://localhost/k?sslrootcert=ca.crt", Encryption::VerifyFull),
            ("postgres://keyway:pass?word@localhost/k?sslmode=require", Encryption::Require),
        ] {
            assert_eq!(encryption_of(url), expected, "{url}");
        }
    }

    #[test]
    fn authorities_are_named_as_for_libpq() {
        let url = "postgres://db/k?sslrootcert=%2Fetc%2Fa%20ca.crt&connect_timeout=7";
        let destination = Destination::parse(url).expect("valid");
        assert_eq!(destination.authorities, Authorities::File("/etc/a ca.crt".into()));
        let timeout = std::time::Duration::from_secs(7);
        assert_eq!(destination.config.get_connect_timeout(), Some(&timeout));
        let public = Destination::parse("postgres://db/k?sslrootcert=system").expect("valid");
        assert_eq!(public.authorities, Authorities::Public);
    }

    #[test]
    fn a_refusal_says_what_is_allowed_and_repeats_no_secret() {
        for (url, says) in [
            ("mysql://u:planted@db/k", "postgres://"),
            ("postgres://u:planted@db/k?sslmode=allow", "verify-full"),
            ("postgres://u:planted@db/k?sslmode=prefer&sslrootcert=ca.crt", "sslrootcert"),
            ("postgres://u:p@planted?planted@db/k", "%XX"),
            ("postgres://u:planted@db/k?wrong=planted", "wrong"),
            ("postgres://u:planted@db:planted/k", "port"),
        ] {
            let refusal = refusal(url);
            assert!(refusal.contains(says), "{refusal}");
            assert!(!refusal.contains("planted"), "{refusal}");
        }
    }
}
