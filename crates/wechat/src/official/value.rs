//! Typed fields of a template: `thing1`, `time2`. A value outside its type refuses the whole message (47003), so it is
//! brought into shape here, visibly.

use serde::Serialize;

use crate::fit::{Fitted, Limit, fit};

/// What marks the end of a cut text that takes ASCII alone.
const DOTS: &str = "...";
/// What stands for nothing: the platform refuses empty values.
const NOTHING: &str = "-";

/// A template's field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TemplateField {
    /// As the template names it.
    pub name: String,
    /// What it takes.
    pub kind: FieldKind,
}

/// What a field takes, told by the beginning of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldKind {
    /// 20 characters of any kind.
    Thing,
    /// 32 digits, a decimal point.
    Number,
    /// 32 letters.
    Letter,
    /// 5 symbols.
    Symbol,
    /// 32 letters, digits or symbols, none Chinese.
    CharacterString,
    /// A time or a date.
    Time,
    /// A currency sign and 10 digits.
    Amount,
    /// 17 characters.
    PhoneNumber,
    /// 8 characters.
    CarNumber,
    /// 10 Chinese characters or 20 letters.
    Name,
    /// 5 Chinese characters.
    Phrase,
    /// One of a list that the platform holds.
    Const,
    /// A field of the old templates: `first`, `keyword1`.
    Other,
}

impl FieldKind {
    /// By a field's name.
    pub fn of(name: &str) -> Self {
        match name.trim_end_matches(|c: char| c.is_ascii_digit()) {
            "thing" => Self::Thing,
            "number" => Self::Number,
            "letter" => Self::Letter,
            "symbol" => Self::Symbol,
            "character_string" => Self::CharacterString,
            "time" | "date" => Self::Time,
            "amount" => Self::Amount,
            "phone_number" => Self::PhoneNumber,
            "car_number" => Self::CarNumber,
            "name" => Self::Name,
            "phrase" => Self::Phrase,
            "const" => Self::Const,
            _ => Self::Other,
        }
    }

    const fn most(self) -> Option<usize> {
        match self {
            Self::Thing => Some(20),
            Self::Letter | Self::CharacterString => Some(32),
            Self::Symbol | Self::Phrase => Some(5),
            Self::Name => Some(10),
            // A wrong time or number is refused by name; a cut one would be a wrong one that is taken.
            Self::Number
            | Self::Time
            | Self::Amount
            | Self::PhoneNumber
            | Self::CarNumber
            | Self::Const
            | Self::Other => None,
        }
    }

    /// Brings a value into shape. A value of another type (letters in a number) is left as it is: the platform names
    /// the field, and a person chooses a better one. What is cut says so in the field where its type takes a mark, and in
    /// [`Fitted::is_cut`] always.
    pub fn fit(self, value: &str) -> Fitted {
        // Text after a line break is dropped by some clients.
        let text = value.split_whitespace().collect::<Vec<_>>().join(" ");
        if self == Self::CharacterString {
            return ascii(&text, self.most().unwrap_or(usize::MAX));
        }
        if text.is_empty() {
            return Fitted { text: NOTHING.into(), is_cut: false };
        }
        // The ellipsis is no letter.
        let takes_any = matches!(self, Self::Thing);
        let Some(most) =
            self.most().map(|most| if self == Self::Name && text.is_ascii() { 20 } else { most })
        else {
            return Fitted { text, is_cut: false };
        };
        if takes_any {
            return fit(&text, Limit::Chars(most), "");
        }
        let is_cut = text.chars().count() > most;
        Fitted { text: text.chars().take(most).collect(), is_cut }
    }
}

/// What of a text is ASCII, marked if that is not all of it.
fn ascii(text: &str, most: usize) -> Fitted {
    let kept: String = text.chars().filter(char::is_ascii).collect();
    let kept = kept.trim();
    if kept.len() == text.len() && kept.len() <= most {
        let text = if kept.is_empty() { NOTHING } else { kept };
        return Fitted { text: text.into(), is_cut: false };
    }
    let head: String = kept.chars().take(most.saturating_sub(DOTS.len())).collect();
    Fitted { text: format!("{}{DOTS}", head.trim_end()), is_cut: true }
}

/// The fields of a template's text: `{{thing1.DATA}}`.
pub(super) fn fields(content: &str) -> Vec<TemplateField> {
    let mut found: Vec<TemplateField> = Vec::new();
    for piece in content.split("{{").skip(1) {
        let Some((inside, _)) = piece.split_once("}}") else { continue };
        let Some(name) = inside.trim().strip_suffix(".DATA") else { continue };
        let name = name.trim();
        let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if is_name && !found.iter().any(|field| field.name == name) {
            found.push(TemplateField { name: name.to_owned(), kind: FieldKind::of(name) });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fields_are_found_in_order_and_once() {
        let found =
            fields("告警：{{thing1.DATA}}\n时间：{{ time2.DATA }}\n{{thing1.DATA}}{{bad name.DATA}}{{x}}{{");
        let names: Vec<_> = found.iter().map(|field| (field.name.as_str(), field.kind)).collect();
        assert_eq!(names, [("thing1", FieldKind::Thing), ("time2", FieldKind::Time)]);
    }

    #[test]
    fn values_are_brought_into_shape() {
        assert_eq!(FieldKind::Thing.fit("构建失败").text, "构建失败");
        let long = FieldKind::Thing.fit("这是一个非常非常长的标题它超过了二十个字符的限制");
        assert_eq!((long.text.chars().count(), long.is_cut), (20, true));
        assert!(long.text.ends_with('…'));
        assert_eq!(FieldKind::Thing.fit(" a\nb ").text, "a b");
        assert_eq!(FieldKind::Thing.fit(""), Fitted { text: "-".into(), is_cut: false });
        assert_eq!(FieldKind::CharacterString.fit("run-42").text, "run-42");
        for (value, shown) in [("run-42 警", "run-42..."), ("警", "...")] {
            let expected = Fitted { text: shown.into(), is_cut: true };
            assert_eq!(FieldKind::CharacterString.fit(value), expected);
        }
        let long = FieldKind::CharacterString.fit(&"x".repeat(33));
        assert_eq!((long.text.len(), long.text.ends_with("x..."), long.is_cut), (32, true, true));
        let phrase = FieldKind::Phrase.fit("正在处理之中");
        assert_eq!((phrase.text.as_str(), phrase.is_cut), ("正在处理之", true));
        let number = "1".repeat(40);
        assert_eq!(FieldKind::Number.fit(&number), Fitted { text: number, is_cut: false });
        assert_eq!(FieldKind::Name.fit("Alexandra Featherston").text, "Alexandra Feathersto");
        assert_eq!(FieldKind::Time.fit("2026-01-02 09:06").text, "2026-01-02 09:06");
        assert_eq!(FieldKind::of("character_string12"), FieldKind::CharacterString);
        assert_eq!(FieldKind::of("keyword1"), FieldKind::Other);
    }

    proptest! {
        #[test]
        fn a_template_of_any_text_is_read(content in "(\\{\\{|\\}\\}|\\.DATA|thing1|.){0,60}") {
            for field in fields(&content) {
                prop_assert!(!field.name.is_empty());
            }
        }

        #[test]
        fn a_value_is_never_empty_nor_too_long(value in ".{0,80}") {
            for kind in [FieldKind::Thing, FieldKind::CharacterString, FieldKind::Phrase, FieldKind::Name, FieldKind::Other] {
                let fitted = kind.fit(&value);
                prop_assert!(!fitted.text.is_empty());
                prop_assert!(kind.most().is_none_or(|most| fitted.text.chars().count() <= most.max(20)));
            }
        }
    }
}
