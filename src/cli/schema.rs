//! `pipeline schema`, `completions` and `man`: what other programs ask of this one.

use clap::CommandFactory;

use crate::blueprint::schema::schema as blueprint_schema;
use crate::report::answer;

use super::args::Args;
use super::input::kinds;
use super::outcome::{Error, Exit, file};

pub fn schema() -> Exit {
    answer(&format!("{:#}\n", blueprint_schema(&kinds())));
    Exit::Done
}

pub fn completions(shell: clap_complete::Shell) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "pipeline", &mut script);
    answer(&String::from_utf8_lossy(&script));
    Exit::Done
}

pub fn man() -> Result<Exit, Error> {
    let mut page = Vec::new();
    clap_mangen::Man::new(Args::command())
        .render(&mut page)
        .map_err(file("write the manual page"))?;
    answer(&String::from_utf8_lossy(&page));
    Ok(Exit::Done)
}
