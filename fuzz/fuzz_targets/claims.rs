#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| gridmate_fuzz::run("claims", input));
