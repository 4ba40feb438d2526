//! `pipeline schema`, `completions` and `man`: what other programs ask of this one.

use clap::CommandFactory;

use crate::blueprint::schema::schema as blueprint_schema;

use super::args::Args;
use super::input::kinds;
use super::outcome::{Error, Exit, answer, file};

pub fn schema() -> Result<Exit, Error> {
    answer(&format!("{:#}\n", blueprint_schema(&kinds())))?;
    Ok(Exit::Done)
}

pub fn completions(shell: clap_complete::Shell) -> Result<Exit, Error> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "pipeline", &mut script);
    answer(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Done)
}

pub fn man() -> Result<Exit, Error> {
    let mut page = Vec::new();
    clap_mangen::Man::new(Args::command())
        .render(&mut page)
        .map_err(file("write the manual page"))?;
    answer(&String::from_utf8_lossy(&page))?;
    Ok(Exit::Done)
}
