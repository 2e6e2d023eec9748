//! A client's bytes on a WebSocket: however they are cut, they say the same.
#![no_main]
#![expect(dead_code, reason = "of the parser's module, only its reader is asked")]

use libfuzzer_sys::fuzz_target;

// The file itself: the server with its database would take minutes to build, and needs to export nothing so.
#[path = "../../crates/server/src/stream/ws/parse.rs"]
mod parse;

fn read(bytes: &[u8], step: usize) -> (Vec<parse::Inbound>, Option<parse::Violation>) {
    let (mut reader, mut all) = (parse::Reader::default(), Vec::new());
    for chunk in bytes.chunks(step) {
        reader.extend(chunk);
        loop {
            match reader.next() {
                Ok(Some(inbound)) => all.push(inbound),
                Ok(None) => break,
                Err(violation) => return (all, Some(violation)),
            }
        }
    }
    (all, None)
}

fuzz_target!(|data: &[u8]| {
    let [step, bytes @ ..] = data else { return };
    let whole = read(bytes, bytes.len().max(1));
    assert_eq!(read(bytes, usize::from(*step).max(1)), whole);
});
