//! XML and JSON as one small tree of texts, bounded in depth and size.
//!
//! No DTD, no entities but the five of XML: nothing expands. Unknown elements and any order are fine.

use quick_xml::{Reader, events::Event};
use serde_json::Value;

use super::{Format, Rejected};

/// Deepest nesting: the platforms' deepest is five.
const DEPTH: usize = 16;
/// Most elements: the largest event has some dozens.
const ELEMENTS: usize = 2000;

/// An element: its text and what is in it. Names keep their letter case; lookups ignore it, because the platforms do
/// not agree with themselves (`MsgID`, `MsgId`, `msgid`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tree {
    text: String,
    children: Vec<(String, Tree)>,
}

impl Tree {
    /// Reads a body of either format.
    pub fn parse(body: &str) -> Result<(Self, Format), Rejected> {
        let body = body.trim_start_matches('\u{feff}').trim();
        match body.as_bytes().first() {
            Some(b'<') => Ok((xml(body)?, Format::Xml)),
            Some(b'{') => Ok((json(body)?, Format::Json)),
            _ => Err(Rejected::Unreadable("neither XML nor JSON")),
        }
    }

    /// The first child of that name.
    pub fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, child)| child)
    }

    /// The child's text; empty if there is none.
    pub fn text(&self, name: &str) -> &str {
        self.child(name).map_or("", |child| child.text.as_str())
    }
}

fn xml(body: &str) -> Result<Tree, Rejected> {
    let unreadable = Rejected::Unreadable;
    let mut reader = Reader::from_str(body);
    let mut open: Vec<(String, Tree)> = Vec::new();
    let mut root = None;
    let mut elements = 0;
    loop {
        let event = reader.read_event().map_err(|_| unreadable("not well-formed XML"))?;
        match event {
            Event::Start(_) | Event::Empty(_) if root.is_some() => return Err(unreadable("two roots")),
            Event::Start(start) => {
                elements += 1;
                if open.len() >= DEPTH || elements > ELEMENTS {
                    return Err(unreadable("too much XML"));
                }
                open.push((String::from(start.name().into_inner()), Tree::default()));
            }
            Event::Empty(start) => {
                elements += 1;
                if elements > ELEMENTS {
                    return Err(unreadable("too much XML"));
                }
                close(&mut open, &mut root, (String::from(start.name().into_inner()), Tree::default()));
            }
            Event::End(_) => {
                let element = open.pop().ok_or(unreadable("an end without a start"))?;
                close(&mut open, &mut root, element);
            }
            Event::Text(text) => add(&mut open, &text.xml10_content())?,
            Event::CData(text) => add(&mut open, &text.xml10_content())?,
            Event::GeneralRef(reference) => {
                let known = match reference.resolve_char_ref() {
                    Ok(Some(c)) => Some(c),
                    Ok(None) => named(&reference.xml10_content()),
                    Err(_) => None,
                };
                let c = known.ok_or(unreadable("an entity"))?;
                add(&mut open, c.encode_utf8(&mut [0; 4]))?;
            }
            Event::DocType(_) => return Err(unreadable("a DTD")),
            Event::PI(_) => return Err(unreadable("a processing instruction")),
            Event::Comment(_) | Event::Decl(_) => {}
            Event::Eof => break,
        }
    }
    if !open.is_empty() {
        return Err(unreadable("a start without an end"));
    }
    root.ok_or(unreadable("no element"))
}

fn close(open: &mut [(String, Tree)], root: &mut Option<Tree>, (name, mut tree): (String, Tree)) {
    if !tree.children.is_empty() {
        // The white space between elements.
        tree.text.clear();
    }
    match open.last_mut() {
        Some((_, parent)) => parent.children.push((name, tree)),
        None => *root = Some(tree),
    }
}

fn add(open: &mut [(String, Tree)], text: &str) -> Result<(), Rejected> {
    match open.last_mut() {
        Some((_, tree)) => tree.text.push_str(text),
        None if text.trim().is_empty() => {}
        None => return Err(Rejected::Unreadable("text outside the root")),
    }
    Ok(())
}

fn named(entity: &str) -> Option<char> {
    match entity {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => None,
    }
}

fn json(body: &str) -> Result<Tree, Rejected> {
    let value = serde_json::from_str(body).map_err(|_| Rejected::Unreadable("not well-formed JSON"))?;
    let mut left = ELEMENTS;
    of_json(value, DEPTH, &mut left).ok_or(Rejected::Unreadable("too much JSON"))
}

fn of_json(value: Value, depth: usize, left: &mut usize) -> Option<Tree> {
    let depth = depth.checked_sub(1)?;
    *left = left.checked_sub(1)?;
    let mut tree = Tree::default();
    match value {
        Value::Null => {}
        Value::Bool(value) => tree.text = value.to_string(),
        // As written: ids exceed what a float holds.
        Value::Number(number) => tree.text = number.to_string(),
        Value::String(text) => tree.text = text,
        Value::Array(items) => {
            for item in items {
                tree.children.push(("item".into(), of_json(item, depth, left)?));
            }
        }
        Value::Object(fields) => {
            for (name, value) in fields {
                // A list of one may come as the one: both repeat the name.
                let values = if let Value::Array(items) = value { items } else { vec![value] };
                for value in values {
                    tree.children.push((name.clone(), of_json(value, depth, left)?));
                }
            }
        }
    }
    Some(tree)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tree(body: &str) -> Tree {
        Tree::parse(body).expect("a tree").0
    }

    #[test]
    fn xml_with_cdata_entities_and_any_order() {
        let body = "<?xml version=\"1.0\"?>\n<!-- c --><xml><B><![CDATA[x]]]]><![CDATA[>y]]></B><A>1 &lt; 2 &amp;&#65;</A><E/></xml>";
        let tree = tree(body);
        assert_eq!(tree.text("A"), "1 < 2 &A");
        assert_eq!(tree.text("b"), "x]]>y");
        assert_eq!(tree.text("E"), "");
        assert_eq!(tree.text("None"), "");
    }

    #[test]
    fn nothing_expands_and_nothing_nests_without_bound() {
        for bad in [
            "<!DOCTYPE x [<!ENTITY a \"b\">]><xml>&a;</xml>",
            "<xml>&a;</xml>",
            "<xml>&#x110000;</xml>",
            "<xml>&#xD800;</xml>",
            "<xml><?php x?></xml>",
            "<xml><a></xml>",
            "<xml></xml><xml></xml>",
            "<xml></xml>text",
            "<xml>",
            "",
            "plain",
            "{\"a\":",
        ] {
            assert!(Tree::parse(bad).is_err(), "{bad}");
        }
        assert!(Tree::parse(&format!("{}{}", "<a>".repeat(100), "</a>".repeat(100))).is_err());
        assert!(Tree::parse(&format!("{{\"a\":{}1{}}}", "[".repeat(100), "]".repeat(100))).is_err());
        assert!(Tree::parse(&format!("<a>{}</a>", "<b/>".repeat(5000))).is_err());
        assert!(Tree::parse(&format!("{{\"a\":[{}1]}}", "1,".repeat(5000))).is_err());
    }

    #[test]
    fn a_list_of_one_may_come_as_the_one() {
        let many = tree(r#"{"L":{"List":[{"Id":1},{"Id":2}]}}"#);
        assert_eq!(many.child("L").expect("L").children.len(), 2);
        let one = tree(r#"{"L":{"List":{"Id":3717005636572528642}}}"#);
        let list = one.child("L").expect("L").child("List").expect("a list");
        assert_eq!(list.text("Id"), "3717005636572528642");
    }

    proptest! {
        #[test]
        fn nothing_panics(body in "(<|>|/|&|;|xml|<a>|</a>|<!\\[CDATA\\[|\\]\\]>|<!DOCTYPE|<\\?|&#x|\\{|\\}|\\[|\"|:|,|.){0,60}") {
            let _ = Tree::parse(&body);
            let _ = Tree::parse(&format!("<xml>{body}</xml>"));
            let _ = Tree::parse(&format!("{{\"a\":{body}}}"));
        }

        #[test]
        fn any_text_in_cdata_comes_back(text in "[^\\r]{0,80}") {
            let body = format!("<xml><A><![CDATA[{}]]></A></xml>", text.replace("]]>", "]]]]><![CDATA[>"));
            let (tree, _) = Tree::parse(&body).expect("a tree");
            prop_assert_eq!(tree.text("A"), text);
        }
    }
}
