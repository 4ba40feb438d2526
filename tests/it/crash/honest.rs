//! Plan honesty: a run writes nothing that the plan it told does not imply.

use std::collections::BTreeSet;

use super::aim::{Known, bucket, marks, object};
use super::body::elements;
use super::call::Call;
use super::http::header;
use super::implied::{Doing, Verb, implies, rows};
use super::proxy::Made;

/// A plan as a run tells it before it acts: what a person reads, and nothing else.
#[derive(Debug, Default)]
pub struct Told {
    /// `NAME/ENVIRONMENT`.
    pipeline: String,
    region: String,
    steps: Vec<Step>,
    /// Ids of what comes only when a job runs.
    dormant: BTreeSet<String>,
    runs_jobs: bool,
    /// Another took its place before it was carried out: all that came of it is the lock.
    superseded: bool,
}

/// What a run says between a plan and the one that takes its place.
const MOVED: &str = "others were at work since the plan was made";

#[derive(Debug)]
struct Step {
    kind: String,
    identity: String,
    doing: Doing,
}

impl Told {
    /// The plans that a run told, each with what it said until the next. A refused one does nothing.
    fn all(said: &str) -> Vec<Self> {
        let lines: Vec<_> = said.lines().collect();
        let parts = lines.chunk_by(|_, next| title(next).is_none());
        parts.filter_map(Self::of).collect()
    }

    fn of(lines: &[&str]) -> Option<Self> {
        let (pipeline, region) = title(lines.first()?)?;
        let superseded = lines.iter().any(|line| line.starts_with(MOVED));
        let mut told = Self { pipeline, region, superseded, ..Self::default() };
        for line in &lines[1..] {
            if line.starts_with("Plan: ") {
                return Some(told);
            } else if line.starts_with("Nothing ") {
                return None;
            }
            told.read(line);
        }
        Some(told)
    }

    fn read(&mut self, line: &str) {
        if let Some(step) = step(line) {
            self.steps.push(step);
        } else if let Some((step, field)) = self.steps.last_mut().zip(line.strip_prefix("      ")) {
            step.doing.loses_data |= field == "what it holds is lost";
            let end = field.find(|c: char| ".:[".contains(c)).unwrap_or(0);
            step.doing.fields.insert(field[..end].to_owned());
        } else if let Some((id, _)) = line.trim().split_once("  dormant; starts when a job runs") {
            self.dormant.insert(id.to_owned());
        } else if line.starts_with("  › ") {
            self.runs_jobs = true;
        }
    }

    fn does_nothing(&self) -> bool {
        self.steps.is_empty() && !self.runs_jobs
    }

    fn owner(&self) -> String {
        format!("{}/{}", self.pipeline, self.region)
    }

    fn implies(&self, call: &Call, known: &Known) -> bool {
        if self.does_nothing() || !self.is_here(call) {
            return false;
        }
        if self.keeps_books(call, known) {
            return true;
        }
        if self.superseded {
            return false;
        }
        let name = call.name();
        let planned = rows(&name).any(|(kind, _)| {
            let doing = self.steps.iter().filter(|step| step.kind == kind);
            let doing: Vec<_> = doing.filter(|s| implies(kind, &s.doing, &name)).collect();
            let aims = known.aims(kind, call);
            let hits = |names: &BTreeSet<String>| doing.iter().any(|s| names.contains(&s.identity));
            !aims.is_empty() && aims.iter().all(hits)
        });
        planned || self.runs_jobs && self.works(call, known)
    }

    /// IAM has no regions.
    fn is_here(&self, call: &Call) -> bool {
        let signed = header(&call.request.headers, "authorization").unwrap_or_default();
        signed.contains(&format!("/{}/{}/", self.region, call.service)) || call.service == "iam"
    }

    /// The lock, and the lease on starting a cluster; of jobs, their scripts, the claims on their
    /// submission and the records of their runs.
    fn keeps_books(&self, call: &Call, known: &Known) -> bool {
        let bucket = bucket(call);
        if call.service != "s3" || !known.holds(&bucket) && !self.makes(&bucket) {
            return false;
        }
        let folder = format!("{bucket}/pipeline/{}/", self.pipeline);
        let keys = match call.operation.as_str() {
            "POST ?delete" => elements(&call.text(), "Key"),
            "PUT object" | "DELETE object" => {
                vec![object(call).split_once('/').unwrap_or_default().1.to_owned()]
            }
            _ => return false,
        };
        keys.iter().all(|key| {
            let key = format!("{bucket}/{key}");
            let rest = key.strip_prefix(&folder).unwrap_or_default();
            let under = |folders: &[&str]| folders.iter().any(|folder| rest.starts_with(folder));
            let record = under(&["scripts/", "runs/", "last/"]) && call.operation == "PUT object";
            rest == "lock.json"
                || under(&["starts/"]) && self.starts_clusters()
                || (record || under(&["claims/"])) && self.runs_jobs
        })
    }

    fn starts_clusters(&self) -> bool {
        self.runs_jobs || self.steps.iter().any(|step| step.kind == "emr-cluster")
    }

    fn makes(&self, bucket: &str) -> bool {
        self.steps.iter().any(|step| step.kind == "s3-bucket" && step.identity == bucket)
    }

    /// What a job that runs implies: its cluster, and a step on it.
    fn works(&self, call: &Call, known: &Known) -> bool {
        match call.operation.as_str() {
            "RunJobFlow" => marks(call)
                .is_some_and(|(owner, id)| owner == self.owner() && self.dormant.contains(&id)),
            // Of clusters, the names of ours alone are known.
            "AddJobFlowSteps" => {
                let aims = known.aims("emr-cluster", call);
                !aims.is_empty() && aims.iter().all(|names| names.len() > 1)
            }
            _ => false,
        }
    }
}

/// `crash (prod) in account 000000000000, region eu-west-1`.
fn title(line: &str) -> Option<(String, String)> {
    let (pipeline, place) = line.split_once(" in account ")?;
    let (name, environment) = pipeline.strip_suffix(')')?.split_once(" (")?;
    let (_, region) = place.split_once(", region ")?;
    Some((format!("{name}/{environment}"), region.to_owned()))
}

/// `  + events  create kinesis-stream NAME`.
fn step(line: &str) -> Option<Step> {
    let mut rest = line.strip_prefix("  ")?.splitn(2, ' ');
    let glyph = rest.next().filter(|glyph| ["+", "~", "±", "-"].contains(glyph));
    let (_, rest) = glyph.and(rest.next())?.split_once("  ")?;
    let mut words = rest.trim_start().splitn(3, ' ');
    let verb = match words.next()? {
        "create" => Verb::Create,
        "update" => Verb::Update,
        "replace" => Verb::Replace,
        "delete" => Verb::Delete,
        _ => return None,
    };
    let (kind, identity) = (words.next()?.to_owned(), words.next()?.to_owned());
    let doing = Doing { verb, fields: BTreeSet::new(), loses_data: false };
    Some(Step { kind, identity, doing })
}

/// Each write of a run that none of the plans it carried out implies.
pub fn beyond(said: &str, made: &[Made]) -> Vec<String> {
    let plans = Told::all(said);
    let mut known = Known::of(&plans.first().map(Told::owner).unwrap_or_default());
    let mut found = Vec::new();
    for one in made {
        if one.call.writes() && !plans.iter().any(|told| told.implies(&one.call, &known)) {
            let (request, text) = (&one.call.request, one.call.text());
            let text: String = text.chars().take(200).collect();
            found.push(format!("{} {} {text}", one.call.name(), request.path));
        }
        known.learn(one);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crash::http::Request;

    const PLAN: &str = "
crash (prod) in account 000000000000, region eu-west-1

  ~ events  update kinesis-stream crash-events
      tags.team: data -> lake
      shards: 2 -> 3
  - lake    delete s3-bucket crash-lake
      what it holds is lost
  + key     create kms-key crash
  ~ nodes   update iam-role crash-nodes
      policies.lake.Statement[0].Action[1]: (none) -> s3:GetObject
  ± core    replace lambda-function crash-trigger
      name: a -> b
    spark  dormant; starts when a job runs (the last one: ended 2 h ago: idle)
  › say  run: its input changed since it last succeeded

Ours by their tag, and no longer in the blueprint:
  - old     delete cloudwatch-alarm crash-old

Plan: 1 to create, 2 to update, 1 to replace, 2 to delete, 1 job to run; 3 unchanged
events: changing shards (0 s)
";

    fn made(service: &str, method: &str, path: &str, extra: (&str, &str), body: &str) -> Made {
        let signed = format!("AWS4-HMAC-SHA256 Credential=a/20260101/eu-west-1/{service}/x, b=c");
        let headers = [("authorization", signed.as_str()), extra];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let (method, path, body) = (method.to_owned(), path.to_owned(), body.into());
        let call = Call::new(Request { method, path, headers, body });
        Made { call, status: Some(200), answer: Vec::new() }
    }

    fn json(service: &str, operation: &str, body: &str) -> Made {
        made(service, "POST", "/", ("x-amz-target", &format!("X.{operation}")), body)
    }

    fn s3(method: &str, path: &str, body: &str) -> Made {
        made("s3", method, path, ("content-type", "application/xml"), body)
    }

    fn form(service: &str, body: &str) -> Made {
        made(service, "POST", "/", ("content-type", "application/x-www-form-urlencoded"), body)
    }

    #[test]
    fn what_a_plan_implies_is_within_it() {
        let answered = |made: Made, answer: &str| Made { answer: answer.into(), ..made };
        let cluster = r#"{"Name": "spark", "Tags": [
            {"Key": "pipeline:owner", "Value": "crash/prod/eu-west-1"},
            {"Key": "pipeline:id", "Value": "spark"}]}"#;
        let key = r#"{"Tags": [{"TagKey": "pipeline:name", "TagValue": "crash"}]}"#;
        let arn = r#"{"StreamARN": "arn:aws:kinesis:eu-west-1:1:stream/crash-events"}"#;
        let delete = "<Delete><Object><Key>any/thing</Key></Object></Delete>";
        let mapping = "/2015-03-31/event-source-mappings/";
        let listed = r#"{"EventSourceMappings": [{"UUID": "9-9",
            "FunctionArn": "arn:aws:lambda:eu-west-1:1:function:crash-trigger"}]}"#;
        let alarm = r#"{"AlarmNames": ["crash-old"]}"#;
        let all = [
            json("kinesis", "UpdateShardCount", r#"{"StreamName": "crash-events"}"#),
            json("kinesis", "UpdateShardCount", arn),
            s3("PUT", "/crash-lake/pipeline/crash/prod/lock.json?x-id=PutObject", "{}"),
            s3("POST", "/crash-lake/?delete", delete),
            s3("DELETE", "/crash-lake/", ""),
            answered(json("kms", "CreateKey", key), r#"{"KeyMetadata": {"KeyId": "1-2"}}"#),
            json("kms", "CreateAlias", r#"{"AliasName": "alias/crash", "TargetKeyId": "1-2"}"#),
            json("kms", "EnableKeyRotation", r#"{"KeyId": "1-2"}"#),
            form("iam", "Action=PutRolePolicy&RoleName=crash-nodes&PolicyName=lake"),
            answered(made("lambda", "GET", mapping, ("accept", "*/*"), ""), listed),
            made("lambda", "DELETE", &format!("{mapping}9-9"), ("accept", "*/*"), ""),
            made(
                "lambda",
                "POST",
                "/2015-03-31/functions",
                ("accept", "*/*"),
                r#"{"FunctionName": "crash-trigger"}"#,
            ),
            made(
                "monitoring",
                "POST",
                "/service/G/operation/DeleteAlarms",
                ("accept", "*/*"),
                alarm,
            ),
            answered(json("elasticmapreduce", "RunJobFlow", cluster), r#"{"JobFlowId": "j-1"}"#),
            json("elasticmapreduce", "AddJobFlowSteps", r#"{"JobFlowId": "j-1"}"#),
            s3("PUT", "/crash-lake/pipeline/crash/prod/runs/say/ab.json", "{}"),
        ];
        assert_eq!(beyond(PLAN, &all), Vec::<String>::new());
        let writes = all.iter().filter(|made| made.call.writes()).count();
        for nothing in ["", "error: no", &PLAN.replace("Plan: ", "Nothing to do: ")] {
            assert_eq!(beyond(nothing, &all).len(), writes, "{nothing}");
        }
    }

    #[test]
    fn a_write_beyond_the_plan_is_named() {
        let mut elsewhere =
            json("kinesis", "UpdateShardCount", r#"{"StreamName": "crash-events"}"#);
        let signed = &mut elsewhere.call.request.headers[0].1;
        *signed = signed.replace("eu-west-1", "eu-west-2");
        let cluster = r#"{"Name": "spark", "Tags": [
            {"Key": "pipeline:owner", "Value": "crash/dev/eu-west-1"},
            {"Key": "pipeline:id", "Value": "spark"}]}"#;
        let strange = "<Delete><Object><Key>any/thing</Key></Object></Delete>";
        for one in [
            elsewhere,
            json("kinesis", "DeleteStream", r#"{"StreamName": "crash-events"}"#),
            json("kinesis", "UpdateShardCount", r#"{"StreamName": "crash-events-2"}"#),
            json("kinesis", "UpdateShardCount", r#"{"StreamName": "crash"}"#),
            json("kinesis", "IncreaseStreamRetentionPeriod", r#"{"StreamName": "crash-events"}"#),
            json("kinesis", "CreateStream", r#"{"StreamName": "crash-other"}"#),
            json("kms", "EnableKeyRotation", r#"{"KeyId": "7-7"}"#),
            json("kms", "ScheduleKeyDeletion", r#"{"KeyId": "crash"}"#),
            form("iam", "Action=DeleteRole&RoleName=crash-nodes"),
            form("iam", "Action=TagRole&RoleName=crash-nodes"),
            s3("POST", "/another-lake/?delete", strange),
            s3("PUT", "/another-lake/pipeline/crash/prod/lock.json", "{}"),
            s3("PUT", "/crash-lake/pipeline/crash/dev/lock.json", "{}"),
            s3("PUT", "/crash-lake/data/a", "{}"),
            made(
                "lambda",
                "DELETE",
                "/2015-03-31/event-source-mappings/9-9",
                ("accept", "*/*"),
                "",
            ),
            made(
                "monitoring",
                "POST",
                "/service/G/operation/DeleteAlarms",
                ("accept", "*/*"),
                r#"{"AlarmNames": ["crash-old", "crash-other"]}"#,
            ),
            json("elasticmapreduce", "RunJobFlow", cluster),
            json("elasticmapreduce", "AddJobFlowSteps", r#"{"JobFlowId": "j-1"}"#),
            json("elasticmapreduce", "TerminateJobFlows", r#"{"JobFlowIds": ["j-1"]}"#),
        ] {
            let name = format!("{} {}", one.call.name(), one.call.text());
            assert_eq!(beyond(PLAN, &[one]).len(), 1, "{name}");
        }
    }

    #[test]
    fn of_two_plans_the_last_is_the_one_that_is_carried_out() {
        let last = PLAN.replace("crash-events", "crash-others");
        let nothing = PLAN.replace("Plan: ", "Nothing to do: ");
        let one = || json("kinesis", "UpdateShardCount", r#"{"StreamName": "crash-events"}"#);
        let lock = || s3("PUT", "/crash-lake/pipeline/crash/prod/lock.json?x-id=PutObject", "{}");
        for (between, then, beyond_it) in
            [(MOVED, &last, 1), (MOVED, &nothing, 1), ("events: ready", &last, 0)]
        {
            let said = format!("{PLAN}{between}\n{then}");
            assert_eq!(beyond(&said, &[lock(), one()]).len(), beyond_it, "{between} {then}");
        }
    }
}
