#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| serialnumberd_fuzz::evidence(bytes));
