//! TLS: a certificate authority of this installation's own, and certificates under it.
//!
//! A LAN has no publicly trusted certificates, so each installation makes an authority once. Its fingerprint travels in
//! the invite and the joining client pins it; browsers are told the authority's certificate by hand. The authority's key
//! is a secret: the host hands in where it is kept ([`KeyStore`]: the keyring, or a file of mode 0600 for a headless
//! server). The key of the server's certificate lives in memory alone and is new with each start, and the certificate is
//! reissued when names or addresses change ([`Identity::reissue`]); clients notice neither, because they pin the
//! authority. An operator's own certificate files are used as they are.
//!
//! All of TLS runs on ring; two providers in one process make rustls panic.

mod address;
mod authority;
mod file;
mod leaf;

use std::{fmt, path::Path, sync::Arc};

use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::ResolvesServerCert,
    sign::CertifiedKey,
};

pub use address::local_addresses;
pub use authority::Authority;
pub use file::KeyFile;

use self::leaf::Leaf;

/// Where the authority (certificate and key, as PEM text) is kept between starts. Called once per start, on the thread
/// of the caller: keyrings block.
pub trait KeyStore {
    /// What was saved; `None`: nothing yet. An error (a locked keyring) makes no new authority: every pinned client
    /// would refuse it.
    fn load(&self) -> Result<Option<String>, Error>;
    /// Keeps it.
    fn save(&self, pem: &str) -> Result<(), Error>;
}

/// What went wrong with certificates.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The place where the key is kept did not answer, or refused.
    #[error("the key of the certificate authority is not at hand: {0}")]
    Store(String),
    /// What is kept there is no authority of ours.
    #[error(
        "what is kept as certificate authority can not be used: {0}; remove it to make a new one (all devices then join again)"
    )]
    Damaged(String),
    /// A certificate file of the operator's.
    #[error("{path}: {what}")]
    File {
        /// The file.
        path: String,
        /// What is wrong with it.
        what: String,
    },
    /// A certificate could not be made.
    #[error("a certificate could not be made: {0}")]
    Make(#[from] rcgen::Error),
    /// Certificate and key do not fit together, or are of a kind that is not known.
    #[error("the certificate can not be used: {0}")]
    Rustls(#[from] rustls::Error),
}

/// What a listener needs to speak TLS, and what an invite says of it.
#[derive(Clone)]
pub struct Identity {
    /// For [`crate::listen::serve_tls`].
    pub server_config: Arc<ServerConfig>,
    /// Base64url SHA-256 of the authority's certificate; `None` with the operator's own files.
    pub ca_fingerprint: Option<String>,
    own: Option<Arc<Own>>,
}

struct Own {
    authority: Authority,
    leaf: Arc<Leaf>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("ca_fingerprint", &self.ca_fingerprint).finish_non_exhaustive()
    }
}

impl Identity {
    /// With this installation's authority, made on first use, and a certificate for `names` (host names and addresses).
    pub fn own(keys: &dyn KeyStore, names: &[String]) -> Result<Self, Error> {
        let authority = Authority::load_or_make(keys)?;
        let leaf = Arc::new(Leaf::new(&authority, names)?);
        let ca_fingerprint = Some(authority.fingerprint());
        Ok(Self {
            server_config: config(leaf.clone())?,
            ca_fingerprint,
            own: Some(Arc::new(Own { authority, leaf })),
        })
    }

    /// With the operator's own certificate (chain) and key, as PEM files.
    pub fn from_files(certificate: &Path, key: &Path) -> Result<Self, Error> {
        let file = |path: &Path, what: &dyn fmt::Display| Error::File {
            path: path.display().to_string(),
            what: what.to_string(),
        };
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificate)
            .and_then(Iterator::collect)
            .map_err(|error| file(certificate, &error))?;
        if chain.is_empty() {
            return Err(file(certificate, &"holds no certificate (PEM)"));
        }
        let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| file(key, &error))?;
        let signer = ring::sign::any_supported_type(&secret).map_err(|error| file(key, &error))?;
        let certified = CertifiedKey::new(chain, signer);
        certified.keys_match()?;
        let fixed = rustls::sign::SingleCertAndKey::from(certified);
        Ok(Self { server_config: config(Arc::new(fixed))?, ca_fingerprint: None, own: None })
    }

    /// Issues a new certificate if `names` are not those of the one in use, or if that is old; running connections go
    /// on, new ones get it. Returns whether it did.
    pub fn reissue(&self, names: &[String]) -> Result<bool, Error> {
        self.own.as_ref().map_or(Ok(false), |own| own.leaf.reissue(&own.authority, names))
    }
}

fn config(resolver: Arc<dyn ResolvesServerCert>) -> Result<Arc<ServerConfig>, Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(resolver);
    // WebSocket and EventSource need HTTP/1.1; nothing else is spoken.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
