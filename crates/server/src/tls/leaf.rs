//! The server's own certificate, which changes while the server runs.

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, SystemTime},
};

use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose,
};
use rustls::{
    crypto::ring,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use super::{Authority, Error};

/// How long a certificate is valid: what the strictest systems take from a private authority is 825 days; a server is
/// started more often than once a year, and reissues long before.
const VALID: Duration = Duration::from_hours(397 * 24);
/// A certificate older than this is reissued when the names are looked at.
const RENEW: Duration = Duration::from_hours(30 * 24);
/// Valid from this long before now, for clients whose clock is behind.
const BEFORE: Duration = Duration::from_hours(24);

/// The certificate in use.
pub(super) struct Leaf(RwLock<Current>);

struct Current {
    certified: Arc<CertifiedKey>,
    names: Vec<String>,
    issued: SystemTime,
}

impl fmt::Debug for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Leaf")
    }
}

impl Leaf {
    /// Issues the first one.
    pub(super) fn new(authority: &Authority, names: &[String]) -> Result<Self, Error> {
        Ok(Self(RwLock::new(issue(authority, sorted(names))?)))
    }

    /// Issues another if the names changed or the one in use is old; returns whether it did.
    pub(super) fn reissue(&self, authority: &Authority, names: &[String]) -> Result<bool, Error> {
        let names = sorted(names);
        {
            let current = self.0.read().unwrap_or_else(PoisonError::into_inner);
            let young = current.issued.elapsed().is_ok_and(|age| age < RENEW);
            if young && current.names == names {
                return Ok(false);
            }
        }
        let next = issue(authority, names)?;
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = next;
        Ok(true)
    }
}

impl ResolvesServerCert for Leaf {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.read().unwrap_or_else(PoisonError::into_inner).certified.clone())
    }
}

fn sorted(names: &[String]) -> Vec<String> {
    let mut names: Vec<String> = names.iter().map(|name| name.to_ascii_lowercase()).collect();
    names.sort();
    names.dedup();
    names
}

fn issue(authority: &Authority, names: Vec<String>) -> Result<Current, Error> {
    let issued = SystemTime::now();
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(names.clone())?;
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, "Tocsin");
    params.distinguished_name = name;
    params.not_before = (issued - BEFORE).into();
    params.not_after = (issued + VALID).into();
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let certificate = params.signed_by(&key, authority.issuer())?;
    let secret = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let signer = ring::sign::any_supported_type(&secret)?;
    // The authority goes along: the invite carries only its fingerprint.
    let chain = vec![certificate.der().clone(), authority.certificate().clone()];
    Ok(Current { certified: Arc::new(CertifiedKey::new(chain, signer)), names, issued })
}
