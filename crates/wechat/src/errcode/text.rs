//! What an `errmsg` adds: for display and support tickets, never for a decision.

use std::net::IpAddr;

/// Longest piece of an answer that is kept: a person reads it, a database row holds it.
const EXCERPT_CHARS: usize = 300;

/// What could be read out of a text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// The address that the platform saw.
    pub ip: Option<String>,
    /// The template field at fault: `thing1`.
    pub field: Option<String>,
    /// What a support ticket needs: `rid` of an official account, `hint` of WeCom.
    pub trace: Option<String>,
}

impl Details {
    /// Reads a text.
    pub fn of(errmsg: &str) -> Self {
        Self { ip: ip(errmsg), field: field(errmsg), trace: trace(errmsg) }
    }
}

/// The first address in the text: IPv4 stands before its IPv6 form.
fn ip(text: &str) -> Option<String> {
    text.split(|c: char| c.is_whitespace() || matches!(c, ',' | '[' | ']' | '(' | ')' | ';'))
        .filter_map(|word| word.trim_end_matches('.').parse::<IpAddr>().ok())
        .map(|ip| ip.to_canonical().to_string())
        .next()
}

/// `data.thing1.value invalid` names `thing1`.
fn field(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("data.")?;
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
    Some(rest[..end].to_owned()).filter(|name| !name.is_empty())
}

fn trace(text: &str) -> Option<String> {
    if let Some((_, rest)) = text.split_once("rid: ") {
        return rest.split_whitespace().next().map(ToOwned::to_owned);
    }
    let (_, rest) = text.split_once("hint: [")?;
    rest.split_once(']').map(|(hint, _)| hint.to_owned())
}

/// The beginning of an answer, without control characters: fit for a row, a log and a person.
pub fn excerpt(text: &str) -> String {
    let mut kept: String =
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(EXCERPT_CHARS + 1).collect();
    if let Some((cut, _)) = kept.char_indices().nth(EXCERPT_CHARS) {
        kept.truncate(cut);
        kept.push('…');
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_fields_and_traces() {
        let details = Details::of("invalid ip 1.2.3.4 ipv6 ::ffff:1.2.3.4, not in whitelist rid: 5f-0a-1b");
        assert_eq!(details.ip.as_deref(), Some("1.2.3.4"));
        assert_eq!(details.trace.as_deref(), Some("5f-0a-1b"));
        let details = Details::of("argument invalid! data.time2.value invalid rid: a-b-c");
        assert_eq!(details.field.as_deref(), Some("time2"));
        let details = Details::of("x, hint: [1757_33_ab], from ip: 2001:db8::1, more info at https://e?e=1");
        assert_eq!(details.ip.as_deref(), Some("2001:db8::1"));
        assert_eq!(details.trace.as_deref(), Some("1757_33_ab"));
        assert_eq!(Details::of("ok"), Details::default());
    }

    #[test]
    fn an_excerpt_is_short_and_printable() {
        assert_eq!(excerpt("a\u{1b}[31m\nb"), "a [31m b");
        let long = excerpt(&"警".repeat(1000));
        assert_eq!(long.chars().count(), EXCERPT_CHARS + 1);
        assert!(long.ends_with('…'));
    }
}
