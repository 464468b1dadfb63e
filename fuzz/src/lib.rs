//! What all targets share.

/// Makes a program of `check`: under libFuzzer when built with `--cfg fuzzing`, otherwise an ordinary one that checks
/// the files it is given, to see a finding again without a fuzzer.
#[macro_export]
macro_rules! target {
    ($check:ident) => {
        #[cfg(fuzzing)]
        libfuzzer_sys::fuzz_target!(|octets: &[u8]| $check(octets));

        #[cfg(not(fuzzing))]
        fn main() {
            for file in std::env::args_os().skip(1) {
                let octets = std::fs::read(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
                $check(&octets);
            }
        }
    };
}
