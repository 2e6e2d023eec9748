//! Why no answer came, told from an error chain.

use std::{error::Error as StdError, io};

use crate::Error;

/// Tells a refused certificate from an unreachable server: the first needs a person, the second time.
pub(crate) fn unreachable(error: &(dyn StdError + 'static)) -> Error {
    let mut last = error.to_string();
    let mut next: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(cause) = next {
        if let Some(text) = certificate(cause) {
            return Error::Certificate(text);
        }
        last = cause.to_string();
        next = cause.source();
    }
    // The innermost cause says most; the outer ones repeat the URL.
    Error::Unreachable(last)
}

fn certificate(cause: &(dyn StdError + 'static)) -> Option<String> {
    let tls = match cause.downcast_ref::<io::Error>() {
        // An `io::Error` hides what it wraps: its `source` is already that of the wrapped one.
        // Wrapped twice by some connectors.
        Some(io) => return certificate(io.get_ref()?),
        None => cause.downcast_ref::<rustls::Error>()?,
    };
    match tls {
        rustls::Error::InvalidCertificate(rustls::CertificateError::Other(other)) => {
            Some(other.0.to_string())
        }
        rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented => {
            Some(tls.to_string())
        }
        _ => None,
    }
}
