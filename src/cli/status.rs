//! `pipeline status`: what is live. It tells and does not judge: whatever it saw, it exits with 0.

use std::time::SystemTime;

use crate::report::{json, status as report};
use crate::status::status;

use super::account::Session;
use super::args::{Args, Status, StatusFormat};
use super::outcome::{Error, Exit, answer};
use super::words::{again, given};

pub async fn run(command: &Status, args: &Args) -> Result<Exit, Error> {
    let Session { desired, aws, .. } = Session::open(&command.source, &command.account).await?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = now.map_or(0, |now| now.as_secs().cast_signed());
    let seen = status(&aws, &aws, &desired, now).await?;
    answer(&match command.format {
        StatusFormat::Text => report::status((&desired, &aws.place), &seen, args.style(), &other),
        StatusFormat::Json => format!("{:#}\n", json::status(&desired, &aws.place, &seen)),
    })?;
    let all_seen = seen.faults().next().is_none();
    Ok(if all_seen { Exit::Done } else { Exit::Failed })
}

/// Another command with what this one says of the blueprint and its account.
fn other(verb: &str, more: &str) -> String {
    let mut verb = Some(verb);
    let words = given().map(|word| match verb {
        Some(other) if word == "status" => {
            verb = None;
            other.to_owned()
        }
        _ => word,
    });
    again(words, &["--format"], more).trim_end().to_owned()
}
