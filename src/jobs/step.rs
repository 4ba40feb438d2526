//! One run of one job: find it or submit it, then follow it to its end.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use crate::apply::retry;
use crate::blueprint::{Id, Job, When, spark};
use crate::cloud::{Class, Fault, Object, Progress, State, Work};
use crate::kind::{Outputs, Twin};

use super::claim::{Claim, Claims, Found, LISTED_WITHIN};
use super::run::{Event, Failure, Force, JobReporter, Jobs, Success, WhyFailed};
use super::{Input, cause};

/// A cluster can end itself between the look and the submission; twice in a row is something else.
const ROUNDS: u32 = 3;
/// What tells of steps.
const LIST: &str = "elasticmapreduce:ListSteps";
/// How often a step and its driver's log are looked at. EMR writes logs every few minutes, others
/// at once.
const LOG_EVERY: Duration = Duration::from_secs(5);
/// EMR writes the log for the last time shortly after the end.
const LOG_WITHIN: Duration = Duration::from_secs(300);
/// A step that cannot be looked at for this long is not followed any further; it goes on.
const BLIND_FOR: Duration = Duration::from_secs(600);
/// A step that was told to stop is gone, or as good as gone, by then.
const CANCELLED_WITHIN: Duration = Duration::from_secs(60);

/// One attempt at one job.
pub struct Attempt<'a> {
    pub jobs: &'a Jobs<'a>,
    pub reporter: &'a dyn JobReporter,
    pub id: &'a Id,
    pub job: &'a Job,
    pub input: &'a Input,
    pub force: Force,
}

/// Where a submitted job runs and logs.
struct Place {
    cluster: String,
    log_uri: Option<String>,
}

/// Who submits the job.
enum Turn<'p> {
    Ours(Mine),
    /// Its step is there.
    Theirs(&'p Place, Progress),
}

/// A claim that is ours.
struct Mine {
    claim: Claim,
    etag: String,
}

impl Attempt<'_> {
    pub async fn run(&self) -> Result<Success, Failure> {
        let started = Instant::now();
        let name = format!("{}#{}", self.id, self.input.hash);
        let script = self.jobs.artifacts.script(&self.input.script);
        self.upload(&script).await?;
        if let Some((place, step)) = self.left_behind(&name).await? {
            return self.follow(&place, &name, step, started).await;
        }
        for _ in 0..ROUNDS {
            let Some(places) = self.places().await? else { continue };
            let steps = self.newest(&places, &name).await?;
            let before = steps[0].as_ref().map(|step| step.step.clone());
            if let Some((place, step)) = self.there(&places, steps) {
                return self.follow(place, &name, step, started).await;
            }
            let log_uri = places[0].log_uri.as_deref();
            let claim = Claim::new(&places[0].cluster, log_uri, before);
            let turn = match self.turn(&places, &name, claim).await? {
                Turn::Theirs(place, step) => {
                    return self.follow(place, &name, step, started).await;
                }
                Turn::Ours(mine) => mine,
            };
            if let Some(step) = self.submit(&places[0], &name, &script, turn).await? {
                return self.follow(&places[0], &name, step, started).await;
            }
        }
        Err(WhyFailed::Cluster(format!("the cluster ended {ROUNDS} times before it took the job"))
            .into())
    }

    /// The step of the last submission, if it need not be made again: its cluster may have ended
    /// since, and whoever submitted it before it could record how it went.
    async fn left_behind(&self, name: &str) -> Result<Option<(Place, Progress)>, Failure> {
        let found = self.claims().look().await.map_err(WhyFailed::from)?;
        let Some(claim) = found.and_then(|found| found.claim) else { return Ok(None) };
        let place = Place { cluster: claim.cluster, log_uri: claim.log_uri };
        match self.jobs.runner.find(&place.cluster, name).await {
            Ok(step) => Ok(self.already(step).map(|step| (place, step))),
            // EMR forgets a cluster in time.
            Err(fault) if fault.class == Class::Invalid => Ok(None),
            Err(fault) => Err(WhyFailed::from(fault).into()),
        }
    }

    async fn find(&self, place: &Place, name: &str) -> Result<Option<Progress>, Failure> {
        let found = self.jobs.runner.find(&place.cluster, name).await;
        Ok(found.map_err(WhyFailed::from)?)
    }

    /// The newest step of that name on each of these.
    async fn newest(&self, places: &[Place], name: &str) -> Result<Vec<Option<Progress>>, Failure> {
        let mut steps = Vec::new();
        for place in places {
            steps.push(self.find(place, name).await?);
        }
        Ok(steps)
    }

    /// One of them that need not be submitted again.
    fn there<'p>(
        &self,
        places: &'p [Place],
        steps: Vec<Option<Progress>>,
    ) -> Option<(&'p Place, Progress)> {
        let mut each = places.iter().zip(steps);
        each.find_map(|(place, step)| Some((place, self.already(step)?)))
    }

    /// Waits for its turn to submit: while somebody else's submission may be on its way, that
    /// step is looked for. Once the claim is ours nobody else begins, and who was quicker shows.
    async fn turn<'p>(
        &self,
        places: &'p [Place],
        name: &str,
        claim: Claim,
    ) -> Result<Turn<'p>, Failure> {
        let claims = self.claims();
        for _ in 0..ROUNDS {
            let found = claims.look().await.map_err(WhyFailed::from)?;
            let standing = found.as_ref().and_then(Found::standing);
            if let Some((theirs, left)) = standing
                && let Some(place) = places.iter().find(|p| p.cluster == theirs.cluster)
            {
                let step = self.find(place, name).await?;
                if step.as_ref().map(|step| &step.step) == theirs.before.as_ref() {
                    let waits = Event::Claimed(self.id, &place.cluster);
                    let step = self.listed(place, name, &theirs.before, (left, waits)).await?;
                    if let Some(step) = step {
                        return Ok(Turn::Theirs(place, step));
                    }
                } else if let Some(step) = self.already(step) {
                    return Ok(Turn::Theirs(place, step));
                }
            }
            let over = found.as_ref().map(|found| found.etag.as_str());
            if let Some(etag) = claims.take(&claim, over).await.map_err(WhyFailed::from)? {
                return match self.newest(places, name).await {
                    Ok(steps) => {
                        let before = steps[0].as_ref().map(|step| step.step.clone());
                        match self.there(places, steps) {
                            None => Ok(Turn::Ours(Mine { claim: claim.after(before), etag })),
                            Some((place, step)) => {
                                claims.give_back(claim, &etag).await;
                                Ok(Turn::Theirs(place, step))
                            }
                        }
                    }
                    Err(failure) => {
                        claims.give_back(claim, &etag).await;
                        Err(failure)
                    }
                };
            }
        }
        Err(WhyFailed::Cluster("others submit this job in turns".into()).into())
    }

    fn claims(&self) -> Claims<'_> {
        let object = self.jobs.artifacts.claim(self.id, &self.input.hash);
        Claims { locks: self.jobs.locks, object }
    }

    async fn upload(&self, script: &Object) -> Result<(), Failure> {
        let runner = self.jobs.runner;
        if !runner.exists(script).await.map_err(WhyFailed::from)? {
            let content = self.input.script.content.clone();
            runner.write(script, content).await.map_err(WhyFailed::from)?;
        }
        Ok(())
    }

    /// Where the job is to run, and after it where its step may be as well: while there are two
    /// clusters of ours, somebody may have submitted it to the other one. `None`: the one that
    /// there was has ended meanwhile.
    async fn places(&self) -> Result<Option<Vec<Place>>, Failure> {
        let outputs: Outputs = self.jobs.cluster(&self.job.cluster).await?;
        let Some(cluster) = outputs.get("cluster_id").cloned() else { return Ok(None) };
        let twins = Twin::noted(&outputs).map(|twin| twin.identity.to_string());
        let place = |cluster| Place { cluster, log_uri: outputs.get("log_uri").cloned() };
        Ok(Some(std::iter::once(cluster).chain(twins).map(place).collect()))
    }

    /// A step of this very work that need not be submitted again.
    fn already(&self, found: Option<Progress>) -> Option<Progress> {
        found.filter(|step| match step.state {
            State::Pending | State::Running => true,
            State::Completed => match self.force {
                Force::No => self.job.when == When::Changed,
                Force::Yes => false,
                Force::Never => true,
            },
            State::Failed | State::Cancelled => false,
        })
    }

    /// `None`: it is not submitted there, and to be looked at again.
    async fn submit(
        &self,
        place: &Place,
        name: &str,
        script: &Object,
        mine: Mine,
    ) -> Result<Option<Progress>, Failure> {
        let work = Work {
            name: name.to_owned(),
            jar: spark::JAR.to_owned(),
            args: spark::submit(&self.input.conf, &script.to_string(), &self.input.args),
        };
        self.reporter.job(&Event::Submitting(self.id, &place.cluster));
        let Some(claim) = self.send(place, &work, mine).await? else { return Ok(None) };
        let wait = (LISTED_WITHIN, Event::Submitting(self.id, &place.cluster));
        if let Some(step) = self.listed(place, name, &claim.before, wait).await? {
            return Ok(Some(step));
        }
        let cluster = &place.cluster;
        let why = format!("`{name}` was submitted to {cluster} and is not listed there; run again");
        Err(WhyFailed::Cluster(why).into())
    }

    /// Sends it, unless the cluster is ending or somebody else has taken the claim. A call that was
    /// throttled did nothing: it is sent again. The claim is made anew, since the step has its time
    /// to be listed from then on.
    async fn send(&self, place: &Place, work: &Work, mine: Mine) -> Result<Option<Claim>, Failure> {
        let Mine { mut claim, mut etag } = mine;
        let started = Instant::now();
        for refusals in 1.. {
            let fault = match self.jobs.runner.submit(&place.cluster, work).await {
                Ok(()) => break,
                Err(fault) if matches!(fault.class, Class::Lost | Class::Broken) => break,
                Err(fault) => fault,
            };
            let again = match fault.class {
                Class::Throttled => retry::after(fault.class, refusals, started.elapsed()),
                _ => None,
            };
            let Some(wait) = again else {
                self.claims().give_back(claim, &etag).await;
                let ends = fault.class == Class::Conflict;
                return if ends { Ok(None) } else { Err(WhyFailed::Refused(fault).into()) };
            };
            self.reporter.job(&Event::Refused(self.id, &fault, wait));
            pause(wait).await;
            claim = claim.anew();
            let renewed = self.claims().take(&claim, Some(&etag)).await;
            let Some(renewed) = renewed.map_err(WhyFailed::from)? else { return Ok(None) };
            etag = renewed;
        }
        Ok(Some(claim))
    }

    /// The step as the cluster lists it: what was sent once is looked for, never sent again.
    async fn listed(
        &self,
        place: &Place,
        name: &str,
        before: &Option<String>,
        (within, waits): (Duration, Event<'_>),
    ) -> Result<Option<Progress>, Failure> {
        let started = Instant::now();
        for look in 0.. {
            let found = self.find(place, name).await?;
            if let Some(step) = found.filter(|step| Some(&step.step) != before.as_ref()) {
                return Ok(Some(step));
            }
            if started.elapsed() > within {
                break;
            }
            self.reporter.job(&waits);
            pause(retry::poll(look)).await;
        }
        Ok(None)
    }

    async fn follow(
        &self,
        place: &Place,
        name: &str,
        mut step: Progress,
        started: Instant,
    ) -> Result<Success, Failure> {
        let mut told = Told::default();
        let mut look = 0;
        let (mut running, mut blind) = (None, None);
        while matches!(step.state, State::Pending | State::Running) {
            let elapsed = started.elapsed();
            self.reporter.job(&Event::Running(self.id, &step, elapsed));
            if step.state == State::Running
                && self.too_long(*running.get_or_insert_with(Instant::now))
            {
                return self.out_of_time(place, name, &step).await;
            }
            pause(retry::poll(look).min(LOG_EVERY)).await;
            look += 1;
            if step.state == State::Running && told.at.is_none_or(|at| at.elapsed() > LOG_EVERY) {
                self.tell_output(place, &step, &mut told).await;
            }
            step = self.look(place, name, step, &mut blind).await?;
        }
        self.tell_output(place, &step, &mut told).await;
        let seconds = started.elapsed().as_secs();
        self.remember(place, &step, seconds).await?;
        if step.state == State::Completed {
            let (step, cluster) = (step.step, place.cluster.clone());
            return Ok(Success { step, cluster, seconds });
        }
        Err(self.failure(place, &step).await)
    }

    /// Its turn may be long in coming, and so may its cluster: only running counts.
    fn too_long(&self, since: Instant) -> bool {
        self.job.timeout.is_some_and(|timeout| since.elapsed().as_secs() > timeout.seconds)
    }

    /// How it is now; as it was last, where that cannot be seen for a while. `blind`: since when.
    async fn look(
        &self,
        place: &Place,
        name: &str,
        last: Progress,
        blind: &mut Option<Instant>,
    ) -> Result<Progress, Failure> {
        let unlisted = || Fault::new(Class::Broken, LIST, "the step is not listed");
        let found = self.jobs.runner.find(&place.cluster, name).await;
        let fault = match found.and_then(|found| found.ok_or_else(unlisted)) {
            Ok(step) => {
                *blind = None;
                return Ok(step);
            }
            Err(fault) => fault,
        };
        let long = blind.get_or_insert_with(Instant::now).elapsed() > BLIND_FOR;
        if long || !matches!(fault.class, Class::Throttled | Class::Lost | Class::Broken) {
            let (log, step) = (place.log(&last), Some(last.step));
            return Err(Failure { why: WhyFailed::Refused(fault), log, step });
        }
        self.reporter.job(&Event::Blind(self.id, &fault));
        Ok(last)
    }

    async fn out_of_time(
        &self,
        place: &Place,
        name: &str,
        step: &Progress,
    ) -> Result<Success, Failure> {
        self.jobs.runner.cancel(&place.cluster, &step.step).await.map_err(WhyFailed::from)?;
        let (started, mut blind) = (Instant::now(), None);
        let mut now = step.clone();
        while matches!(now.state, State::Pending | State::Running)
            && started.elapsed() < CANCELLED_WITHIN
        {
            self.reporter.job(&Event::Cancelling(self.id));
            pause(Duration::from_secs(1)).await;
            now = self.look(place, name, now, &mut blind).await?;
        }
        let limit = self.job.timeout.map_or_else(String::new, |timeout| timeout.to_string());
        let log = place.log(step);
        Err(Failure { why: WhyFailed::TimedOut(limit), log, step: Some(step.step.clone()) })
    }

    /// A success goes on record, so that the same input is not run again; the last run of all is
    /// where `logs` and `status` look. It comes first: who is killed between the two finds the step
    /// again and writes both.
    async fn remember(&self, place: &Place, step: &Progress, seconds: u64) -> Result<(), Failure> {
        let record = json!({
            "version": 1, "job": self.id, "input": self.input.hash, "params": self.input.params,
            "cluster": place.cluster, "step": step.step, "seconds": seconds,
            "state": format!("{:?}", step.state).to_lowercase(), "log": place.log(step),
        });
        let content = record.to_string().into_bytes();
        let (artifacts, runner) = (&self.jobs.artifacts, self.jobs.runner);
        let last = artifacts.last(self.id);
        runner.write(&last, content.clone()).await.map_err(WhyFailed::from)?;
        if step.state == State::Completed {
            let object = artifacts.record(self.id, &self.input.hash);
            runner.write(&object, content).await.map_err(WhyFailed::from)?;
        }
        Ok(())
    }

    async fn failure(&self, place: &Place, step: &Progress) -> Failure {
        let log = place.log(step);
        let found = match place.logs(step) {
            Some(logs) => self.cause(&logs).await,
            None => None,
        };
        let why = match (found, step.state) {
            (Some(cause), _) => cause,
            (None, State::Cancelled) => {
                step.reason.clone().unwrap_or_else(|| "it was cancelled".into())
            }
            (None, _) => step.reason.clone().unwrap_or_else(|| "EMR gives no reason".into()),
        };
        Failure { why: WhyFailed::Job(why), log, step: Some(step.step.clone()) }
    }

    async fn cause(&self, logs: &[Object; 2]) -> Option<String> {
        let started = Instant::now();
        loop {
            let mut written = false;
            for log in logs {
                if let Ok(Some(text)) = self.jobs.read_log(log).await {
                    written = true;
                    if let Some(cause) = cause::cause(&text) {
                        return Some(cause);
                    }
                }
            }
            if written || started.elapsed() > LOG_WITHIN {
                return None;
            }
            self.reporter.job(&Event::WaitingForLog(self.id));
            pause(LOG_EVERY).await;
        }
    }

    /// Tells what the driver printed since the last look.
    async fn tell_output(&self, place: &Place, step: &Progress, told: &mut Told) {
        told.at = Some(Instant::now());
        let Some([stdout, _]) = place.logs(step) else { return };
        let Ok(Some(text)) = self.jobs.read_log(&stdout).await else { return };
        let lines: Vec<&str> = text.lines().collect();
        for line in lines.iter().skip(told.lines) {
            self.reporter.job(&Event::Output(self.id, line));
        }
        told.lines = told.lines.max(lines.len());
    }
}

/// How much of the driver's output was told, and when it was last read.
#[derive(Default)]
struct Told {
    lines: usize,
    at: Option<Instant>,
}

impl Place {
    fn folder(&self, step: &Progress) -> Option<String> {
        let base = self.log_uri.as_deref()?.trim_end_matches('/');
        Some(format!("{base}/{}/steps/{}/", self.cluster, step.step))
    }

    fn log(&self, step: &Progress) -> Option<String> {
        self.folder(step)
    }

    /// A Python driver's exceptions are in its standard output, the JVM's in its standard error.
    fn logs(&self, step: &Progress) -> Option<[Object; 2]> {
        let folder = self.folder(step)?;
        let (bucket, key) = folder.split_once("://")?.1.split_once('/')?;
        Some(
            ["stdout.gz", "stderr.gz"]
                .map(|file| Object { bucket: bucket.to_owned(), key: format!("{key}{file}") }),
        )
    }
}

impl From<Fault> for WhyFailed {
    fn from(fault: Fault) -> Self {
        Self::Refused(fault)
    }
}

#[expect(clippy::disallowed_methods, reason = "a job is followed by looking at it")]
async fn pause(wait: Duration) {
    tokio::time::sleep(wait).await;
}
