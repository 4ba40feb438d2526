//! A function as Lambda tells it: what it is, who may call it, and what feeds it.

use std::collections::BTreeMap;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::operation::get_function::GetFunctionOutput;
use aws_sdk_lambda::types::{
    EventSourceMappingConfiguration as Mapping, FunctionConfiguration, LastUpdateStatus, State,
};

use crate::aws::{Aws, During, absent};
use crate::cloud::{Class, Fault};
use crate::kind::values::duration::Duration;
use crate::kind::values::or_none::OrNone;
use crate::kind::values::tags::without_aws;
use crate::kind::{Live, Name, Phase};

use super::permission::{self, Permission};
use super::settings::{Architecture, Logging, Tracing, Vpc};
use super::source::{EventSource, note, origin};
use super::{ABSENT, LambdaFunction, arn, memory, none, temporary};

const GET: &str = "lambda:GetFunction";

pub(super) async fn observe(
    aws: &Aws,
    identity: &Name,
) -> Result<Option<Live<LambdaFunction>>, Fault> {
    let api = aws.client::<Client>();
    let name = identity.as_str();
    let (found, policy, mappings) = futures_util::join!(
        api.get_function().function_name(name).send(),
        api.get_policy().function_name(name).send(),
        mappings(&api, name, arn(identity, &aws.place)),
    );
    let Some(found) = absent(found.during(GET), ABSENT)? else { return Ok(None) };
    let policy = absent(policy.during("lambda:GetPolicy"), ABSENT)?;
    let policy = policy.as_ref().and_then(|answer| answer.policy());
    let permissions = policy.map_or_else(|| Ok(BTreeMap::new()), permission::read)?;
    let mappings = mappings?;
    let spec = spec(identity, &found, permissions, &mappings)?;
    let mut outputs = spec.outputs(&aws.place);
    for mapping in &mappings {
        outputs.insert(note(&origin(mapping)), mapping.uuid().unwrap_or_default().to_owned());
    }
    let phase = phase(found.configuration(), &mappings);
    Ok(Some(Live { spec, outputs, phase }))
}

/// The mappings of the function itself: those of its versions and aliases are others.
async fn mappings(api: &Client, name: &str, arn: String) -> Result<Vec<Mapping>, Fault> {
    let mut pages = api.list_event_source_mappings().function_name(name).into_paginator().send();
    let mut found = Vec::new();
    while let Some(page) = pages.next().await {
        let page = absent(page.during("lambda:ListEventSourceMappings"), ABSENT)?;
        found.extend(page.and_then(|page| page.event_source_mappings).unwrap_or_default());
    }
    found.retain(|mapping| mapping.function_arn().is_none_or(|told| told == arn));
    Ok(found)
}

pub(super) fn spec(
    name: &Name,
    found: &GetFunctionOutput,
    permissions: BTreeMap<String, Permission>,
    mappings: &[Mapping],
) -> Result<LambdaFunction, Fault> {
    let told = found.configuration().ok_or_else(|| broken("no configuration in the answer"))?;
    if let Some(error) = found.tags_error() {
        let what = format!("its tags are not told: {}", error.message());
        return Err(Fault::new(Class::Denied, GET, what));
    }
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    let or_none =
        |text: Option<&str>| text.filter(|text| !text.is_empty()).map_or_else(none, str::to_owned);
    let reserved = found.concurrency().and_then(|told| told.reserved_concurrent_executions());
    let sources = mappings.iter().map(|mapping| (origin(mapping), EventSource::read(mapping)));
    let dead_letter = told.dead_letter_config().and_then(|told| told.target_arn());
    Ok(LambdaFunction {
        name: name.clone(),
        code: String::new(),
        code_sha256: text(told.code_sha256()),
        handler: text(told.handler()),
        runtime: text(told.runtime().map(|runtime| runtime.as_str())),
        architecture: Architecture::read(told.architectures()),
        role: text(told.role()),
        description: text(told.description()),
        memory_mb: told.memory_size().map_or_else(memory, i32::unsigned_abs),
        timeout: Duration::seconds(told.timeout().map_or(3, |s| u64::from(s.unsigned_abs()))),
        ephemeral_mb: told.ephemeral_storage().map_or_else(temporary, |e| e.size().unsigned_abs()),
        environment: environment(told)?,
        key: or_none(told.kms_key_arn()),
        reserved_concurrency: OrNone(reserved.and_then(|most| u32::try_from(most).ok())),
        dead_letter: or_none(dead_letter),
        vpc: OrNone(Vpc::read(told.vpc_config())),
        logging: Logging::read(told.logging_config(), &format!("/aws/lambda/{name}")),
        tracing: Tracing::read(told.tracing_config()),
        layers: told.layers().iter().map(|layer| text(layer.arn())).collect(),
        permissions,
        sources: sources.collect(),
        tags: without_aws(found.tags().cloned().unwrap_or_default()),
    })
}

/// What Lambda cannot decrypt is unknown, and not empty.
fn environment(told: &FunctionConfiguration) -> Result<BTreeMap<String, String>, Fault> {
    let Some(told) = told.environment() else { return Ok(BTreeMap::new()) };
    if let Some(error) = told.error() {
        let why = error.message().or(error.error_code()).unwrap_or_default();
        let what = format!("its environment is not told: {why}");
        return Err(Fault::new(Class::Denied, GET, what));
    }
    Ok(told.variables().cloned().unwrap_or_default().into_iter().collect())
}

fn broken(what: &str) -> Fault {
    Fault::new(Class::Broken, GET, what)
}

/// What changes in a mapping on its way.
const MOVING: [&str; 5] = ["Creating", "Enabling", "Disabling", "Updating", "Deleting"];

pub(super) fn phase(told: Option<&FunctionConfiguration>, mappings: &[Mapping]) -> Phase {
    let state = told.and_then(|told| told.state());
    let update = told.and_then(|told| told.last_update_status());
    let why = |word: &str, reason: Option<&str>| match reason {
        Some(reason) => format!("{word}: {reason}"),
        None => word.to_owned(),
    };
    let reason = told.and_then(|told| told.state_reason());
    match state {
        Some(State::Failed) => return Phase::Failed(why("Failed", reason)),
        Some(State::Deleting) => return Phase::Leaving("Deleting".into()),
        Some(state @ (State::Pending | State::Deactivating)) => {
            return Phase::Settling(state.as_str().into());
        }
        _ => {}
    }
    // The function goes on as it was before, whatever Lambda says that it is.
    let reason = told.and_then(|told| told.last_update_status_reason());
    match update {
        Some(LastUpdateStatus::Failed) => return Phase::Failed(why("update failed", reason)),
        Some(LastUpdateStatus::InProgress) => return Phase::Settling("update InProgress".into()),
        _ => {}
    }
    let moving = mappings.iter().find(|each| each.state().is_some_and(|s| MOVING.contains(&s)));
    moving.map_or(Phase::Ready, |each| {
        Phase::Settling(format!("{} {}", origin(each), each.state().unwrap_or_default()))
    })
}
