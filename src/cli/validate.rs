//! `pipeline validate`: every problem at once, with no call.

use crate::report::count;

use super::args::{Args, Validate};
use super::input::{Input, warn};
use super::outcome::{Error, Exit, answer};

pub fn run(command: &Validate, _args: &Args) -> Result<Exit, Error> {
    let input = Input::read(&command.source, None, command.local)?;
    let loaded = input.load(None)?;
    warn(&loaded);
    let resources = count(loaded.desired.nodes.len() as u64, "resource");
    let jobs = count(loaded.desired.jobs.len() as u64, "job");
    answer(&format!("{} is valid: {resources}, {jobs}\n", input.file.display()))?;
    Ok(Exit::Done)
}
