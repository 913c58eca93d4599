//! The command line: arguments in, text out. `tumar --help` says the rest.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
