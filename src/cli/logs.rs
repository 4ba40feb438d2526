//! `pipeline logs`: the driver's output of a job's last run.

use serde_json::Value;

use crate::cloud::{Object, Runner};
use crate::jobs::run::text;
use crate::report::say;

use super::account::Session;
use super::apply::artifacts;
use super::args::{Args, Logs};
use super::jobs::named;
use super::outcome::{Error, Exit, answer};

pub async fn run(command: &Logs, _args: &Args) -> Result<Exit, Error> {
    let session = Session::open(&command.source, &command.account).await?;
    let job = named(&session.desired, &command.job)?;
    let record = session.aws.read(&artifacts(&session)?.last(&job)).await?;
    let record = record.ok_or_else(|| Error::Other(format!("job `{job}` has not run yet")))?;
    let record: Value = serde_json::from_slice(&record).unwrap_or_default();
    let log = record["log"].as_str().and_then(|log| log.split_once("://")?.1.split_once('/'));
    let (bucket, key) =
        log.ok_or_else(|| Error::Other("its cluster keeps no logs: set `log_uri`".into()))?;
    let word = |field: &str| record[field].as_str().unwrap_or_default().to_owned();
    say(&format!("step {} on {}: {}", word("step"), word("cluster"), word("state")));
    // The answer comes last, so that it is what a terminal shows: Spark says much beside it.
    for file in ["stderr.gz", "stdout.gz"] {
        let object = Object { bucket: bucket.to_owned(), key: format!("{key}{file}") };
        let Some(content) = session.aws.read(&object).await? else {
            say(&format!("{object} is not there yet"));
            continue;
        };
        match file {
            "stdout.gz" => answer(&text(&content))?,
            _ => say(&text(&content)),
        }
    }
    Ok(Exit::Done)
}
