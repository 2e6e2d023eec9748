//! Checks of single fields. Every refusal names the field, its limit and what to do.

use tocsin_protocol::{
    Code,
    limits::{DISPLAY_BYTES, NAME_BYTES, URL_BYTES, is_name},
};

use crate::Failure;

/// A field that is wrong.
pub fn invalid(field: &str, what: impl std::fmt::Display) -> Failure {
    Failure::new(Code::InvalidField, format!("{field}: {what}"))
}

/// A text of at most so many bytes.
pub fn text(field: &str, value: &str, bytes_most: usize) -> Result<(), Failure> {
    if value.len() > bytes_most {
        let told = format!("{} bytes of UTF-8, at most {bytes_most} are taken", value.len());
        return Err(invalid(field, told).hint("shorten it, or link to the rest with `click`"));
    }
    // D-Bus strings, and so notifications, end at a NUL.
    if value.contains('\0') {
        return Err(invalid(field, "contains a NUL character"));
    }
    Ok(())
}

/// A text that is not empty.
pub fn some_text(field: &str, value: &str, bytes_most: usize) -> Result<(), Failure> {
    if value.trim().is_empty() {
        return Err(invalid(field, "is empty"));
    }
    text(field, value, bytes_most)
}

/// A display name.
pub fn display_name(field: &str, value: Option<&str>) -> Result<(), Failure> {
    value.map_or(Ok(()), |value| some_text(field, value, DISPLAY_BYTES))
}

/// The name of a topic or device.
pub fn name(field: &str, value: &str) -> Result<(), Failure> {
    if is_name(value) {
        return Ok(());
    }
    Err(invalid(field, format!("{value:?} is not a name"))
        .hint(format!("1 to {NAME_BYTES} characters: letters a to z, digits, `.`, `_`, `-`, beginning with a letter or digit")))
}

/// The name of a person: lower case, because people type it.
pub fn user_name(field: &str, value: &str) -> Result<(), Failure> {
    name(field, value)?;
    if value.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err(invalid(field, format!("{value:?} has capital letters"))
            .hint("names of people are lower case; `display_name` takes anything"));
    }
    Ok(())
}

/// An address that a click opens: http or https, so that no click starts a program.
pub fn url(field: &str, value: &str) -> Result<(), Failure> {
    text(field, value, URL_BYTES)?;
    if is_web_url(value) {
        return Ok(());
    }
    Err(invalid(field, "is not a web address").hint("it begins with http:// or https:// and has no spaces"))
}

/// Whether a click may open it.
pub fn is_web_url(value: &str) -> bool {
    let rest = ["http://", "https://"].iter().find_map(|scheme| {
        let start = value.get(..scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then(|| &value[scheme.len()..])
    });
    rest.is_some_and(|rest| {
        rest.starts_with(|c: char| c.is_alphanumeric() || c == '[')
            && !rest.contains(|c: char| c.is_whitespace() || c.is_control())
    })
}

/// Seconds of a span with a most.
pub fn span_s(field: &str, value: Option<u64>, most: u64) -> Result<(), Failure> {
    match value {
        Some(0) => Err(invalid(field, "is 0 seconds; leave it out for no end")),
        Some(seconds) if seconds > most => {
            Err(invalid(field, format!("{seconds} seconds, at most {most} are taken")))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_web_addresses_open() {
        for good in
            ["http://a", "https://grafana.example/d/1?x=y#z", "HTTPS://[::1]:3000/", "https://例え.jp/路径"]
        {
            assert!(is_web_url(good), "{good}");
        }
        for bad in [
            "",
            "javascript:alert(1)",
            "file:///etc/passwd",
            "http://",
            "http:///x",
            "https://a b",
            "https://a\nb",
            "ftp://a",
            "//a",
            "tel:1",
            "http://@a",
        ] {
            assert!(!is_web_url(bad), "{bad}");
        }
    }

    #[test]
    fn a_refusal_names_field_and_limit() {
        let failure = text("title", &"é".repeat(200), 256).unwrap_err();
        assert!(failure.error.message.starts_with("title: 400 bytes"), "{failure}");
        assert!(user_name("name", "Bob").is_err());
        assert!(span_s("expires_in", Some(0), 5).is_err());
    }
}
