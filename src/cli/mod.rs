//! The commands: what each asks of the modules before it, and how it ends.

mod account;
mod apply;
mod args;
mod backfill;
mod destroy;
mod input;
mod jobs;
mod local;
mod lock;
mod logs;
mod outcome;
mod plan;
mod redrive;
mod saved;
mod schema;
mod send;
mod signals;
mod standing;
mod status;
mod unlock;
mod validate;
mod words;

use clap::Parser;

use crate::report::style::Style;

use args::{Args, Command};
pub use outcome::Exit;

/// Runs the command line and tells how it ended.
pub fn main() -> Exit {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            return outcome::usage(&error)
                .unwrap_or_else(|error| outcome::tell(&error, Style::Plain));
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let result = match runtime {
        Ok(runtime) => {
            let result = runtime.block_on(run(&args));
            runtime.shutdown_background();
            result
        }
        Err(error) => Err(outcome::Error::Other(format!("cannot start: {error}"))),
    };
    match result {
        Ok(exit) => exit,
        Err(error) => outcome::tell(&error, args.style()),
    }
}

async fn run(args: &Args) -> Result<Exit, outcome::Error> {
    match &args.command {
        Command::Validate(command) => validate::run(command, args),
        Command::Plan(command) => plan::run(command, args).await,
        Command::Apply(command) => apply::run(command, args).await,
        Command::Destroy(command) => destroy::run(command, args).await,
        Command::Unlock(command) => unlock::run(command, args).await,
        Command::Run(command) => jobs::run(command, args).await,
        Command::Status(command) => status::run(command, args).await,
        Command::Logs(command) => logs::run(command, args).await,
        Command::Send(command) => send::run(command, args).await,
        Command::Redrive(command) => redrive::run(command, args).await,
        Command::Schema => schema::schema(),
        Command::Completions { shell } => schema::completions(*shell),
        Command::Man => schema::man(),
        Command::Local { command } => local::run(command),
    }
}
