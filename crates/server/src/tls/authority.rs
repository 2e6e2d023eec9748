//! The certificate authority of one installation.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use sha2::{Digest, Sha256};

use super::{Error, KeyStore};

/// Name of every authority. The same in all installations: a certificate is tied to its authority by name and key, so
/// that the issuer's side can be rebuilt from the key alone.
const NAME: &str = "Tocsin certificate authority";

/// Certificate and key of the authority.
pub struct Authority {
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").field("fingerprint", &self.fingerprint()).finish_non_exhaustive()
    }
}

impl Authority {
    /// The one that is kept, or a new one that is kept from now on.
    pub fn load_or_make(keys: &dyn KeyStore) -> Result<Self, Error> {
        if let Some(pem) = keys.load()? {
            return Self::read(&pem);
        }
        let (authority, pem) = Self::make()?;
        keys.save(&pem)?;
        Ok(authority)
    }

    fn make() -> Result<(Self, String), Error> {
        let key = KeyPair::generate()?;
        let certificate: Certificate = params().self_signed(&key)?;
        let pem = format!("{}{}", certificate.pem(), key.serialize_pem());
        let certificate = certificate.der().clone();
        Ok((Self { certificate, issuer: Issuer::new(params(), key) }, pem))
    }

    fn read(pem: &str) -> Result<Self, Error> {
        let damaged = |what: &dyn fmt::Display| Error::Damaged(what.to_string());
        let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|error| damaged(&error))?;
        let start =
            pem.find("-----BEGIN PRIVATE KEY-----").ok_or_else(|| damaged(&"no private key in it"))?;
        let key = KeyPair::from_pem(&pem[start..]).map_err(|error| damaged(&error))?;
        // The public key stands in the certificate as it is; another key would sign what no client takes.
        let public = key.public_key_raw();
        if !certificate.windows(public.len()).any(|part| part == public) {
            return Err(damaged(&"certificate and key do not belong together"));
        }
        Ok(Self { certificate, issuer: Issuer::new(params(), key) })
    }

    /// Base64url SHA-256 of the certificate.
    pub fn fingerprint(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(&self.certificate))
    }

    /// The certificate.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    pub(super) fn issuer(&self) -> &Issuer<'static, KeyPair> {
        &self.issuer
    }
}

fn params() -> CertificateParams {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, NAME);
    let mut params = CertificateParams::default();
    params.distinguished_name = name;
    // Signs certificates of servers, not of further authorities.
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}
