//! Doors into the parsers that are private, for the fuzz targets alone (feature `fuzzing`).

use crate::{callback, http::Answer};

/// Reads a callback's body, and what it says.
pub fn tree(body: &str) {
    callback::read_tree(body);
}

/// Reads an answer and everything that is ever asked of it; returns all that may be kept of it.
pub fn answer(body: &[u8], secret: &str) -> String {
    match Answer::parse(body, &[secret]) {
        Ok(answer) => {
            let _ = (answer.takes_message(), answer.number("expires_in"), answer.field("data"));
            for name in ["msgid", "invaliduser", "access_token"] {
                let _ = (answer.text(name), answer.ids(name));
            }
            answer.errmsg
        }
        Err(excerpt) => excerpt,
    }
}
