//! Cutting text to a platform's limit: on a character boundary, visibly, with the way to the whole of it.

/// What a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// UTF-8 bytes.
    Bytes(usize),
    /// Characters.
    Chars(usize),
}

impl Limit {
    fn measure(self, text: &str) -> usize {
        match self {
            Self::Bytes(_) => text.len(),
            Self::Chars(_) => text.chars().count(),
        }
    }

    const fn most(self) -> usize {
        match self {
            Self::Bytes(most) | Self::Chars(most) => most,
        }
    }

    /// Whether the text is within it.
    pub fn holds(self, text: &str) -> bool {
        self.measure(text) <= self.most()
    }
}

/// What marks the end of a cut text.
const ELLIPSIS: &str = "…";
/// How far before the cut an opened tag or link is looked for: addresses are longer than words.
const MARKUP_BYTES: usize = 2048;

/// A text within its limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fitted {
    /// The text.
    pub text: String,
    /// Something was left out.
    pub is_cut: bool,
}

/// Cuts a text. If something has to go, `more` stands at the end: a line with the link to the full text, in the reader's
/// language; it is left out only if it does not fit by itself. Tags, links and code fences are not cut through.
pub fn fit(text: &str, limit: Limit, more: &str) -> Fitted {
    if limit.holds(text) {
        return Fitted { text: text.to_owned(), is_cut: false };
    }
    let with_more = format!("{ELLIPSIS}{more}");
    let tail = if limit.holds(&with_more) { with_more.as_str() } else { ELLIPSIS };
    let mut head = within(text, limit, limit.measure(tail));
    head = &head[..whole_markup(head)];
    let mut fence = "";
    if !head.matches("```").count().is_multiple_of(2) {
        fence = "\n```";
        head = within(head, limit, limit.measure(tail) + limit.measure(fence));
        // The fence itself may have gone with that.
        if head.matches("```").count().is_multiple_of(2) {
            fence = "";
        }
    }
    let text = if limit.holds(tail) { format!("{}{fence}{tail}", head.trim_end()) } else { head.to_owned() };
    Fitted { text, is_cut: true }
}

/// The longest beginning that leaves `reserve` free and ends between two characters as a reader sees them.
fn within(text: &str, limit: Limit, reserve: usize) -> &str {
    let room = limit.most().saturating_sub(reserve);
    let mut end = match limit {
        Limit::Bytes(_) => text.floor_char_boundary(room),
        Limit::Chars(_) => text.char_indices().nth(room).map_or(text.len(), |(at, _)| at),
    };
    while end > 0 && end < text.len() && is_joined(text, end) {
        end = text.floor_char_boundary(end - 1);
    }
    &text[..end]
}

/// Whether the characters around this place make one sign: an emoji of several parts, a letter with its marks.
fn is_joined(text: &str, at: usize) -> bool {
    let joins = |c: char| matches!(c, '\u{200d}' | '\u{fe00}'..='\u{fe0f}' | '\u{300}'..='\u{36f}' | '\u{20e3}' | '\u{1f3fb}'..='\u{1f3ff}');
    let after = text[at..].chars().next();
    let before = text[..at].chars().next_back();
    after.is_some_and(joins) || before == Some('\u{200d}')
}

/// Where to end so that no tag `<…>` and no link `[…](…)` is left open.
fn whole_markup(head: &str) -> usize {
    let from = head.floor_char_boundary(head.len().saturating_sub(MARKUP_BYTES));
    let near = &head[from..];
    let tag = near.rfind('<').filter(|at| {
        let rest = &near[*at..];
        let begins = rest[1..].starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '@'));
        begins && !rest.contains('>')
    });
    let link = near.rfind('[').filter(|at| {
        let rest = &near[*at..];
        // `[text`, `[text]` whose address may have been lost, `[text](address`.
        match rest.find("](") {
            Some(address) => !rest[address..].contains(')'),
            None => !rest.contains(']') && !rest.contains('\n'),
        }
    });
    let open = match (tag, link) {
        (Some(tag), Some(link)) => Some(tag.min(link)),
        (tag, link) => tag.or(link),
    };
    // A text that begins with an open bracket would be gone altogether.
    open.filter(|at| from + at > 0).map_or(head.len(), |at| from + at)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_fits_is_left_alone() {
        let fitted = fit("警钟", Limit::Bytes(6), "\nmore");
        assert_eq!(fitted, Fitted { text: "警钟".into(), is_cut: false });
    }

    #[test]
    fn a_cut_is_on_a_character_and_says_where_the_rest_is() {
        let fitted = fit(&"警".repeat(100), Limit::Bytes(40), "\nhttps://x/1");
        assert!(fitted.is_cut && fitted.text.len() <= 40);
        assert_eq!(fitted.text, "警警警警警警警警…\nhttps://x/1");
        let fitted = fit(&"警".repeat(100), Limit::Chars(5), "");
        assert_eq!(fitted.text, "警警警警…");
        // No room for the way to the whole: then at least the mark.
        assert_eq!(fit("abcdefgh", Limit::Chars(4), "\nhttps://x/1").text, "abc…");
    }

    #[test]
    fn an_emoji_of_several_parts_stays_whole_or_goes() {
        let family = "👨‍👩‍👧";
        let fitted = fit(&format!("ab{family}cdefghijklmnop"), Limit::Bytes(16), "");
        assert_eq!(fitted.text, "ab…");
    }

    #[test]
    fn tags_links_and_fences_are_not_cut_through() {
        let text = format!("see <a href=\"https://x/{}\">here</a>", "y".repeat(100));
        assert_eq!(fit(&text, Limit::Bytes(60), "").text, "see…");
        let text = format!("see [here](https://x/{}) and more", "y".repeat(100));
        assert_eq!(fit(&text, Limit::Bytes(60), "").text, "see…");
        let text = format!("```\n{}", "line\n".repeat(50));
        let fitted = fit(&text, Limit::Bytes(60), "");
        assert!(fitted.text.ends_with("\n```…"), "{}", fitted.text);
        assert!(fitted.text.len() <= 60);
        // A comparison is no tag.
        assert_eq!(fit("1 < 2 and so on and on", Limit::Bytes(12), "").text, "1 < 2 and…");
    }

    proptest! {
        #[test]
        fn never_too_long_and_never_silent(
            text in "(.|<|\\[|\\]\\(|```|👨‍👩‍👧|警){0,120}", more in ".{0,30}", most in 0_usize..200, bytes in any::<bool>(),
        ) {
            let limit = if bytes { Limit::Bytes(most) } else { Limit::Chars(most) };
            let fitted = fit(&text, limit, &more);
            prop_assert!(limit.holds(&fitted.text), "{:?} in {:?}", fitted.text, limit);
            prop_assert_eq!(fitted.is_cut, !limit.holds(&text));
            if fitted.is_cut && limit.holds(ELLIPSIS) {
                prop_assert!(fitted.text.contains(ELLIPSIS));
            }
        }
    }
}
