//! The invite: one line that lets a device join a server it has never met.
//!
//! `tocsin:https://10.0.0.5:8722#<code>.<fingerprint>`: address, one-time code, and the SHA-256 of the server's CA
//! certificate (base64url, absent for plain http on loopback or a publicly trusted certificate). Code and fingerprint
//! stand in the fragment, which is never sent.

use std::{fmt, str::FromStr};

/// A parsed invite.
#[derive(Clone, PartialEq, Eq)]
pub struct InviteText {
    /// Origin of the server: scheme, host, port; no path.
    pub origin: String,
    /// The one-time code.
    pub code: String,
    /// Base64url SHA-256 of the CA certificate (DER) to trust, 43 characters.
    pub ca_fingerprint: Option<String>,
}

impl fmt::Debug for InviteText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InviteText")
            .field("origin", &self.origin)
            .field("ca_fingerprint", &self.ca_fingerprint)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for InviteText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tocsin:{}#{}", self.origin, self.code)?;
        self.ca_fingerprint.as_ref().map_or(Ok(()), |fingerprint| write!(f, ".{fingerprint}"))
    }
}

/// Not an invite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an invite: expected one line beginning with tocsin:https:// as printed by `tocsin invite`")]
pub struct BadInvite;

impl FromStr for InviteText {
    type Err = BadInvite;

    fn from_str(text: &str) -> Result<Self, BadInvite> {
        let rest = text.trim().strip_prefix("tocsin:").ok_or(BadInvite)?;
        let (origin, secret) = rest.split_once('#').ok_or(BadInvite)?;
        let host =
            origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://")).ok_or(BadInvite)?;
        let (code, fingerprint) = secret.split_once('.').map_or((secret, None), |(c, f)| (c, Some(f)));
        let base64url =
            |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
        let valid = !host.is_empty()
            && !host.contains(['/', '?', '@', ' '])
            && !code.is_empty()
            && base64url(code)
            && fingerprint.is_none_or(|f| f.len() == 43 && base64url(f));
        if !valid {
            return Err(BadInvite);
        }
        Ok(Self { origin: origin.into(), code: code.into(), ca_fingerprint: fingerprint.map(Into::into) })
    }
}
