//! Parse, run, exit code: nothing else.

use pipeline::cli;

fn main() -> cli::Exit {
    cli::main()
}
