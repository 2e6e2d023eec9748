//! The JSON of a client's frame, and of the messages that are published.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tocsin_protocol::{message::Publish, stream::ClientFrame};

fuzz_target!(|body: &[u8]| {
    if let Ok(frame) = serde_json::from_slice::<ClientFrame>(body) {
        let _ = format!("{frame:?}");
    }
    let _ = serde_json::from_slice::<Publish>(body);
});
