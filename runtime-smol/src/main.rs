//! The `telex` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    telex::main()
}
