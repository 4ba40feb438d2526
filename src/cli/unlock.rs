//! `pipeline unlock`: removes the lock of a run that is known to be dead.

use std::fs;

use crate::cloud::{Locks, Removal};
use crate::lock::Lock;
use crate::report::lock::held;
use crate::report::say;

use super::account::Session;
use super::apply::confirm;
use super::args::{Args, Unlock};
use super::lock::home;
use super::outcome::{Error, Exit, answer, file};
use super::saved::Saved;

pub async fn run(command: &Unlock, _: &Args) -> Result<Exit, Error> {
    let path = &command.source.file;
    let content = fs::read_to_string(path).map_err(file(format!("read {}", path.display())))?;
    let session = match Saved::read(path, &content).transpose()? {
        Some(saved) => Session::of(saved.blueprint, &command.account).await?,
        None => Session::open(&command.source, &command.account).await?,
    };
    let home = home(&session).ok_or_else(|| {
        Error::Other("the blueprint names no `artifacts` bucket, so it has no lock".into())
    })?;
    let Some(seen) = session.aws.look(&home.object).await? else {
        answer("There is no lock\n")?;
        return Ok(Exit::Done);
    };
    say(&held(&Lock::read(&seen.content)));
    say(&format!("  {}", home.object));
    confirm(
        "Remove this lock, which lets others in although that run may be at work,",
        &session,
        &command.consent,
    )?;
    session.signals.begin();
    match session.aws.remove(&home.object, &seen.etag).await? {
        Removal::Gone => {
            answer("Unlocked\n")?;
            Ok(Exit::Done)
        }
        Removal::Raced => Err(Error::Locked(
            "the lock was renewed or taken anew meanwhile: a run that holds it is alive".into(),
        )),
    }
}
