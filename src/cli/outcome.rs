//! How commands end: an exit code, and an error in words.

use std::process::{ExitCode, Termination};

use crate::blueprint::problem::Problem;
use crate::cloud::Fault;
use crate::kind::Severity;
use crate::local::Trouble;
use crate::report::style::Style;
use crate::report::{self, count, ending, say};

/// Exit codes, as `--help` tells them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Done = 0,
    Failed = 1,
    Changes = 2,
    BadBlueprint = 3,
    Moved = 4,
    Locked = 5,
    JobFailed = 6,
    Interrupted = 130,
    Terminated = 143,
}

impl Termination for Exit {
    fn report(self) -> ExitCode {
        ExitCode::from(self as u8)
    }
}

/// Why a command could not do what it was asked.
#[derive(Debug)]
pub enum Error {
    /// The blueprint is wrong.
    Blueprint(Vec<Problem>),
    Fault(Fault),
    Local(Trouble),
    /// A file cannot be read or written.
    File {
        doing: String,
        error: std::io::Error,
    },
    /// Live state is not what the plan saw; how, and the command that plans again.
    Moved(String, Option<String>),
    /// Somebody else holds the lock, or has taken it from us.
    Locked(String),
    Other(String),
    /// It has been told already.
    Told(Exit),
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Trouble> for Error {
    fn from(trouble: Trouble) -> Self {
        Self::Local(trouble)
    }
}

pub fn file(doing: impl Into<String>) -> impl FnOnce(std::io::Error) -> Error {
    let doing = doing.into();
    move |error| Error::File { doing, error }
}

/// The answer of a command, which is an error where it cannot be written.
pub fn answer(text: &str) -> Result<(), Error> {
    report::answer(text).map_err(file("write the answer"))
}

/// Help and versions are answers; everything else that clap says is an error.
pub fn usage(error: &clap::Error) -> Result<Exit, Error> {
    if error.use_stderr() {
        say(&error.render().to_string());
        return Ok(Exit::Failed);
    }
    answer(&error.render().to_string())?;
    Ok(Exit::Done)
}

pub fn tell(error: &Error, style: Style) -> Exit {
    let word = style.bad("error");
    match error {
        Error::Blueprint(problems) => {
            for problem in problems {
                say(&problem.to_string());
                say("");
            }
            let wrong = problems.iter().filter(|problem| problem.severity == Severity::Error);
            let wrong = count(wrong.count() as u64, "problem");
            say(&format!("{word}: {wrong} in the blueprint"));
            return Exit::BadBlueprint;
        }
        Error::Moved(why, next) => {
            say(&format!("{word}: live state moved since the plan was made\n{why}"));
            say(&next
                .as_ref()
                .map_or("  hint: plan again".into(), |next| format!("  next: {next}")));
            return Exit::Moved;
        }
        Error::Locked(how) => {
            say(&format!("{word}: {how}"));
            return Exit::Locked;
        }
        Error::Told(exit) => return *exit,
        Error::Fault(fault) => {
            say(&format!("{word}: {fault}"));
            if let Some(advice) = ending::advice(fault) {
                say(&format!("  hint: {advice}"));
            }
        }
        Error::Local(trouble) => {
            say(&format!("{word}: {trouble}"));
            if let Some(source) = std::error::Error::source(trouble) {
                say(&format!("  because: {source}"));
            }
        }
        Error::File { doing, error } => say(&format!("{word}: cannot {doing}: {error}")),
        Error::Other(what) => say(&format!("{word}: {what}")),
    }
    Exit::Failed
}
