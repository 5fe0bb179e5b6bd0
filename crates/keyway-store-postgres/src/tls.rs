//! TLS to the database: what of its certificate is checked, and what a failure means.

use std::error::Error as _;
use std::io;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::open::OpenError;
use crate::url::{Authorities, Destination, Encryption};

/// What a server that is asked for TLS at once has to be told; others do not mind.
const PROTOCOL: &[u8] = b"postgresql";

/// What makes connections as the URL asks for.
pub(crate) fn connector(destination: &Destination) -> Result<MakeRustlsConnect, OpenError> {
    let provider = Arc::new(ring::default_provider());
    let verifier = Arc::new(Verifier::new(destination, Arc::clone(&provider))?);
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| OpenError::Connect(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    Ok(MakeRustlsConnect::new(config))
}

/// Checks as much of a certificate as `sslmode` asks for.
#[derive(Debug)]
struct Verifier {
    provider: Arc<CryptoProvider>,
    /// `None` where any certificate will do.
    chain: Option<Arc<WebPkiServerVerifier>>,
    /// Whether it has to be for the host of the URL.
    name: bool,
}

impl Verifier {
    fn new(destination: &Destination, provider: Arc<CryptoProvider>) -> Result<Self, OpenError> {
        let encryption = destination.encryption;
        let chain = match encryption {
            Encryption::Disable | Encryption::Prefer | Encryption::Require => None,
            Encryption::VerifyCa | Encryption::VerifyFull => {
                let roots = Arc::new(roots(&destination.authorities)?);
                let chain =
                    WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider));
                Some(chain.build().map_err(|error| OpenError::Connect(error.to_string()))?)
            }
        };
        Ok(Self { provider, chain, name: encryption == Encryption::VerifyFull })
    }
}

fn roots(authorities: &Authorities) -> Result<RootCertStore, OpenError> {
    let mut roots = RootCertStore::empty();
    let path = match authorities {
        Authorities::Public => {
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
            return Ok(roots);
        }
        Authorities::File(path) => path,
    };
    let unusable = |why: String| OpenError::RootCertificate(path.clone(), why);
    let certificates = CertificateDer::pem_file_iter(path);
    for certificate in certificates.map_err(|error| unusable(error.to_string()))? {
        let certificate = certificate.map_err(|error| unusable(error.to_string()))?;
        roots.add(certificate).map_err(|error| unusable(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(unusable("it has no certificate in PEM form".to_owned()));
    }
    Ok(roots)
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(chain) = &self.chain else { return Ok(ServerCertVerified::assertion()) };
        let checked =
            chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match checked {
            // The name is looked at last: everything else was right.
            Err(Error::InvalidCertificate(error)) if !self.name && is_about_the_name(&error) => {
                Ok(ServerCertVerified::assertion())
            }
            checked => checked,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

fn is_about_the_name(error: &CertificateError) -> bool {
    use CertificateError::{NotValidForName, NotValidForNameContext};
    matches!(error, NotValidForName | NotValidForNameContext { .. })
}

/// Why there is no connection, and what to do about it.
pub(crate) fn explain(error: &tokio_postgres::Error) -> String {
    let Some(cause) = error.source() else { return error.to_string() };
    let inner = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    if let Some(error) = inner.and_then(|error| error.downcast_ref::<Error>()) {
        return refused_certificate(error);
    }
    let cause = cause.to_string();
    if cause == "server does not support TLS" {
        return "the server does not encrypt connections: switch `ssl` on there or, where nobody \
                else is on the network between, add sslmode=disable to the store's URL"
            .to_owned();
    }
    format!("{error}: {cause}")
}

fn refused_certificate(error: &Error) -> String {
    match error {
        // The second where an authority was made again under the same name.
        Error::InvalidCertificate(
            CertificateError::UnknownIssuer | CertificateError::BadSignature,
        ) => {
            "no trusted authority signed the server's certificate: name the authority's own with \
             sslrootcert=/path/ca.crt in the store's URL"
                .to_owned()
        }
        Error::InvalidCertificate(error) if is_about_the_name(error) => {
            "the server's certificate is for another name than the host of the store's URL: connect \
             by a name that it is for, or check no name with sslmode=verify-ca"
                .to_owned()
        }
        error => format!("the server's certificate or handshake is refused: {error}"),
    }
}
