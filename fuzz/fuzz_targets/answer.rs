//! What answers a call: the platform, a proxy, or anything else at that address. What was asked with is never in it.
#![no_main]

use libfuzzer_sys::fuzz_target;

const SECRET: &str = "canary-token";

fuzz_target!(|body: &[u8]| {
    let kept = tocsin_wechat::fuzzing::answer(body, SECRET);
    assert!(!kept.contains(SECRET), "a secret is kept: {kept}");
});
