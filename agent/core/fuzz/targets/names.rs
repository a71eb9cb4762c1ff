#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| serialnumberd_core_fuzz::names(bytes));
