//! Several messages in one text of limited size. No message is left out silently: one that does not fit into this
//! digest is the first of the next, and one that does not fit into a line is cut where it can be seen, with the way to
//! its full text.

use tocsin_store::outbox::Item;
use tocsin_wechat::{Limit, fit};

use crate::Rendered;

/// Bytes of one message in a digest: about ten of them fit where 4096 are allowed.
pub const LINE_BYTES: usize = 360;

/// As many lines as fit below a heading. `heading` is told how many there are; `line` makes one message's, which is cut at
/// [`LINE_BYTES`] between characters; `more` makes what then stands at its end.
pub fn compose(
    items: &[Item],
    most_bytes: usize,
    heading: impl Fn(usize) -> String,
    line: impl Fn(&Item) -> String,
    more: impl Fn(&Item) -> String,
) -> Rendered {
    // The heading for all of them is the longest there can be.
    let room = most_bytes.saturating_sub(heading(items.len()).len());
    let mut lines = String::new();
    let mut taken = 0;
    for item in items {
        let line = cut(&line(item), LINE_BYTES.min(room.saturating_sub(1)), || more(item));
        if taken > 0 && lines.len() + 1 + line.len() > room {
            break;
        }
        lines.push('\n');
        lines.push_str(&line);
        taken += 1;
    }
    Rendered { body: heading(taken) + &lines, taken }
}

/// At most so many bytes of a text on one line, cut between characters and marked.
fn cut(text: &str, most_bytes: usize, more: impl FnOnce() -> String) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let limit = Limit::Bytes(most_bytes);
    if limit.holds(&line) { line } else { fit(&line, limit, &more()).text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cut_between_characters_and_on_one_line() {
        assert_eq!(cut("a\nb", 10, || "never".into()), "a b");
        let long = "警钟".repeat(100);
        for most in 3..40 {
            let short = cut(&long, most, String::new);
            assert!(short.len() <= most && short.ends_with('…'), "{most}: {short}");
        }
    }

    #[test]
    fn what_is_cut_says_where_the_rest_is() {
        let short = cut(&"警钟".repeat(100), 40, || " [full](https://x/1)".into());
        assert!(short.len() <= 40 && short.ends_with("… [full](https://x/1)"), "{short}");
    }
}
