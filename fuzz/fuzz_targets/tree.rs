//! XML and JSON of a callback, without the signature that stands before it.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &str| tocsin_wechat::fuzzing::tree(body));
