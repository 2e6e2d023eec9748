//! Several messages in one text of limited size. No message is left out silently: one that does not fit into this
//! digest is the first of the next, and one that does not fit into any is cut where it can be seen.

use tocsin_store::outbox::Item;

use crate::Rendered;

/// Bytes of one message in a digest: about ten of them fit where 4096 are allowed.
pub const LINE_BYTES: usize = 360;
/// What stands where text was cut.
const CUT: &str = "…";

/// As many lines as fit below a heading. `heading` is told how many there are; `line` makes one message's, which is cut at
/// [`LINE_BYTES`] between characters.
pub fn compose(
    items: &[Item],
    most_bytes: usize,
    heading: impl Fn(usize) -> String,
    line: impl Fn(&Item) -> String,
) -> Rendered {
    // The heading for all of them is the longest there can be.
    let room = most_bytes.saturating_sub(heading(items.len()).len());
    let mut lines = String::new();
    let mut taken = 0;
    for item in items {
        let line = cut(&line(item), LINE_BYTES.min(room.saturating_sub(1)));
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
pub fn cut(text: &str, most_bytes: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.len() <= most_bytes {
        return line;
    }
    let mut end = most_bytes.saturating_sub(CUT.len());
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{CUT}", &line[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cut_between_characters_and_on_one_line() {
        assert_eq!(cut("a\nb", 10), "a b");
        let long = "警钟".repeat(100);
        for most in 3..40 {
            let short = cut(&long, most);
            assert!(short.len() <= most && short.ends_with(CUT), "{most}: {short}");
        }
    }
}
