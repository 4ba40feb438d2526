//! The lock of a blueprint, as the commands that change things hold it.

use std::env;
use std::fs;
use std::path::Path;
use std::pin::pin;

use futures_util::future::select;

use crate::cloud::{Object, nonce};
use crate::jobs::Artifacts;
use crate::kind::{Live, Name};
use crate::lock::Lock;
use crate::lock::lease::{Answer, Home, Lease};
use crate::plan::Snapshot;
use crate::report::lock::{Waiting, elsewhere, lost, refused};
use crate::report::say;

use super::account::Session;
use super::args::Doing;
use super::outcome::{Error, Exit};
use super::signals::Signals;
use super::words::{again, given, quoted, with};

/// The lease of this run; none of a blueprint that has no bucket for it.
pub fn lease<'a>(session: &'a Session, command: &str) -> Option<Lease<'a>> {
    let home = home(session)?;
    let command = format!("{command} {}", session.desired.file.display());
    let me = Lock::new(nonce(), whoever(), job(environment), command);
    Some(Lease::new(&session.aws, home, me))
}

/// Where the blueprint's lock is.
pub fn home(session: &Session) -> Option<Home> {
    let artifacts = Artifacts::of(&session.desired)?;
    let (object, starts) = (artifacts.lock(), artifacts.starts());
    let node = &session.desired.nodes[&session.desired.artifacts.as_ref()?.bucket];
    let (kind, identity) = (node.kind.name().into(), node.identity.clone());
    Some(Home { object, starts, kind, identity })
}

/// Whether the bucket that keeps the lock is there.
fn housed(session: &Session, snapshot: &Snapshot) -> bool {
    let bucket = session.desired.artifacts.as_ref().map(|artifacts| &artifacts.bucket);
    let live = bucket.and_then(|bucket| snapshot.found.get(bucket)).and_then(Option::as_ref);
    live.is_some_and(|live| live.exists())
}

/// Completes at the first signal, and when the lock is lost; the lock is renewed until then.
pub async fn until(signals: &Signals, lease: Option<&Lease<'_>>) {
    match lease {
        Some(lease) => {
            select(pin!(signals.stop()), pin!(lease.keep())).await;
        }
        None => signals.stop().await,
    }
}

/// Takes the lock where its bucket is there, after as long a wait as the user allows. Whether it is
/// ours.
pub async fn take(
    session: &Session,
    snapshot: &Snapshot,
    lease: &Lease<'_>,
    (file, doing): (&Path, &Doing),
) -> Result<bool, Error> {
    let (housed, others) = (housed(session, snapshot), others(session, &lease.home, snapshot));
    let waiting = Waiting::new();
    let tell = |lock: &Lock, waited| waiting.tell(lock, waited);
    match lease.wait(housed, &others, doing.lock_timeout, &tell).await? {
        Answer::Ours => Ok(true),
        Answer::NoBucket => Ok(false),
        Answer::Theirs(lock) => Err(Error::Locked(refused(&lock, &longer(), &unlock(file)))),
        Answer::Elsewhere(lock, at) => {
            Err(Error::Locked(elsewhere(&lock, &at.to_string(), &longer())))
        }
    }
}

/// Where other versions of the blueprint may keep theirs: in any other bucket of ours.
fn others(session: &Session, home: &Home, snapshot: &Snapshot) -> Vec<Object> {
    let node = |id| &session.desired.nodes[id];
    let found = snapshot.found.iter().filter_map(|(id, live)| Some((id, live.as_ref()?)));
    let found = found.map(|(id, live)| (node(id).kind.name(), &node(id).identity, live));
    let strays = snapshot.strays.iter();
    let strays = strays.map(|stray| (stray.kind.as_str(), &stray.identity, &stray.live));
    let owner = &snapshot.place.owner;
    let kept = |(kind, identity, live): &(&str, &Name, &Live)| {
        *kind == home.kind && **identity != home.identity && live.exists() && live.belongs_to(owner)
    };
    let buckets = found.chain(strays).filter(kept).map(|(_, identity, _)| identity.to_string());
    buckets.map(|bucket| Object { bucket, key: home.object.key.clone() }).collect()
}

/// Gives the lock back, whatever came of the work, and tells if it was lost under it.
pub async fn leave(
    lease: Option<&Lease<'_>>,
    signals: &Signals,
    result: Result<Exit, Error>,
) -> Result<Exit, Error> {
    let Some(lease) = lease else { return result };
    if let Err(fault) = lease.release().await {
        say(&format!("the lock could not be given back, and lapses within a minute: {fault}"));
    }
    match (signals.got(), lease.lost()) {
        (None, Some(loss)) => Err(Error::Locked(lost(&loss))),
        (Some(exit), _) => result.map(|_| exit),
        _ => result,
    }
}

/// The same command, waiting.
fn longer() -> String {
    again(given(), &["--lock-timeout"], "--lock-timeout 10m")
}

fn unlock(file: &Path) -> String {
    let command = format!("pipeline unlock {}", quoted(&file.display().to_string()));
    with(&command, given(), &CHOICES, &["--local"])
}

/// What another command of the same blueprint has to be given as well.
const CHOICES: [&str; 6] =
    ["--env", "--var", "--var-file", "--profile", "--region", "--endpoint-url"];

#[expect(clippy::disallowed_methods, reason = "who runs the program is in the environment")]
fn environment(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// `user@host`.
fn whoever() -> String {
    let user = ["USER", "LOGNAME"].into_iter().find_map(environment);
    let known = || environment("HOSTNAME").or_else(|| environment("HOST"));
    let host = ["/proc/sys/kernel/hostname", "/etc/hostname"]
        .into_iter()
        .find_map(|path| fs::read_to_string(path).ok().map(|name| name.trim().to_owned()));
    let unknown = || "unknown".to_owned();
    format!("{}@{}", user.unwrap_or_else(unknown), host.or_else(known).unwrap_or_else(unknown))
}

/// Where the CI job that this run is part of can be looked at.
fn job(environment: impl Fn(&str) -> Option<String>) -> Option<String> {
    /// GitLab, Jenkins, CircleCI, Buildkite and CodeBuild say it in one.
    const ADDRESSES: [&str; 5] = [
        "CI_JOB_URL",
        "BUILD_URL",
        "CIRCLE_BUILD_URL",
        "BUILDKITE_BUILD_URL",
        "CODEBUILD_BUILD_ARN",
    ];
    let github = || {
        let (server, repository) =
            (environment("GITHUB_SERVER_URL")?, environment("GITHUB_REPOSITORY")?);
        let run = environment("GITHUB_RUN_ID")?;
        Some(format!("{server}/{repository}/actions/runs/{run}"))
    };
    github().or_else(|| ADDRESSES.into_iter().find_map(&environment))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ci_job_is_told_by_its_address() {
        let github = ("GITHUB_SERVER_URL", "https://github.com");
        for (set, expected) in [
            (vec![], None),
            (vec![("CI", "true"), github], None),
            (
                vec![github, ("GITHUB_REPOSITORY", "a/b"), ("GITHUB_RUN_ID", "7")],
                Some("https://github.com/a/b/actions/runs/7"),
            ),
            (vec![("CI_JOB_URL", "https://gitlab/1")], Some("https://gitlab/1")),
            (vec![("BUILD_URL", "https://jenkins/2")], Some("https://jenkins/2")),
        ] {
            let of = |name: &str| {
                set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
            };
            assert_eq!(job(of).as_deref(), expected, "{set:?}");
        }
    }

    #[test]
    fn two_runs_have_two_names() {
        assert_ne!(nonce(), nonce());
    }
}
