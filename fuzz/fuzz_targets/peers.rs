#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| zoorum_fuzz::peers::run(data));
