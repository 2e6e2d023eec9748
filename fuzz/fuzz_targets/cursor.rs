//! Cursors and invites: what is read is written the same way again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tocsin_protocol::{Cursor, invite::InviteText};

fuzz_target!(|text: &str| {
    if let Ok(cursor) = text.parse::<Cursor>() {
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
    }
    if let Ok(invite) = text.parse::<InviteText>() {
        assert_eq!(invite.to_string().parse::<InviteText>().as_ref(), Ok(&invite));
        assert!(!format!("{invite:?}").contains(&format!("#{}", invite.code)));
    }
});
