//! `Runner` by EMR steps and objects in S3.

use aws_sdk_emr::config::retry::RetryConfig;
use aws_sdk_emr::operation::add_job_flow_steps::AddJobFlowStepsError;
use aws_sdk_emr::types::{
    ActionOnFailure, HadoopJarStepConfig, StepCancellationOption, StepConfig, StepState,
    StepSummary,
};
use aws_sdk_emr::{Client, config};
use aws_sdk_s3::primitives::ByteStream;

use crate::cloud::{Boxed, Class, Dated, Fault, Object, Progress, Runner, State, Work};

use super::{Aws, During, absent};

const NO_OBJECT: &[&str] = &["NoSuchKey", "NoSuchBucket", "NotFound"];

impl Aws {
    fn emr(&self) -> Client {
        self.client()
    }
}

impl Runner for Aws {
    fn read<'a>(&'a self, object: &'a Object) -> Boxed<'a, Result<Option<Vec<u8>>, Fault>> {
        Box::pin(async move { Ok(self.recall(object).await?.map(|found| found.content)) })
    }

    fn recall<'a>(&'a self, object: &'a Object) -> Boxed<'a, Result<Option<Dated>, Fault>> {
        Box::pin(async move {
            let operation = "s3:GetObject";
            let call = self.s3().get_object().bucket(&object.bucket).key(&object.key);
            let Some(found) = absent(call.send().await.during(operation), NO_OBJECT)? else {
                return Ok(None);
            };
            let broken = |e: aws_sdk_s3::primitives::ByteStreamError| {
                Fault::new(Class::Lost, operation, e.to_string())
            };
            let written = found.last_modified.map_or(0, |at| at.secs());
            let content = found.body.collect().await.map_err(broken)?.to_vec();
            Ok(Some(Dated { content, written }))
        })
    }

    fn exists<'a>(&'a self, object: &'a Object) -> Boxed<'a, Result<bool, Fault>> {
        Box::pin(async move {
            let call = self.s3().head_object().bucket(&object.bucket).key(&object.key);
            Ok(absent(call.send().await.during("s3:HeadObject"), NO_OBJECT)?.is_some())
        })
    }

    fn write<'a>(&'a self, object: &'a Object, content: Vec<u8>) -> Boxed<'a, Result<(), Fault>> {
        Box::pin(async move {
            let call = self.s3().put_object().bucket(&object.bucket).key(&object.key);
            call.body(ByteStream::from(content)).send().await.during("s3:PutObject")?;
            Ok(())
        })
    }

    fn list<'a>(&'a self, prefix: &'a Object) -> Boxed<'a, Result<Vec<String>, Fault>> {
        Box::pin(async move {
            let call = self.s3().list_objects_v2().bucket(&prefix.bucket).prefix(&prefix.key);
            let mut pages = call.into_paginator().send();
            let mut keys = Vec::new();
            while let Some(page) = pages.next().await {
                let Some(page) = absent(page.during("s3:ListObjectsV2"), NO_OBJECT)? else { break };
                keys.extend(
                    page.contents().iter().filter_map(|object| object.key().map(str::to_owned)),
                );
            }
            Ok(keys)
        })
    }

    fn submit<'a>(&'a self, cluster: &'a str, work: &'a Work) -> Boxed<'a, Result<(), Fault>> {
        Box::pin(async move {
            let operation = "elasticmapreduce:AddJobFlowSteps";
            let jar = HadoopJarStepConfig::builder()
                .jar(&work.jar)
                .set_args(Some(work.args.clone()))
                .build();
            let step = StepConfig::builder()
                .name(&work.name)
                .action_on_failure(ActionOnFailure::Continue)
                .hadoop_jar_step(jar);
            let once = config::Config::builder().retry_config(RetryConfig::disabled());
            let call = self.emr().add_job_flow_steps().job_flow_id(cluster).steps(step.build());
            let sent: Result<_, aws_sdk_emr::error::SdkError<AddJobFlowStepsError, _>> =
                call.customize().config_override(once).send().await;
            sent.during(operation).map(|_| ()).map_err(ending)
        })
    }

    fn find<'a>(
        &'a self,
        cluster: &'a str,
        name: &'a str,
    ) -> Boxed<'a, Result<Option<Progress>, Fault>> {
        Box::pin(async move {
            let mut pages = self.emr().list_steps().cluster_id(cluster).into_paginator().send();
            while let Some(page) = pages.next().await {
                let page = page.during("elasticmapreduce:ListSteps")?;
                if let Some(step) = page.steps().iter().find(|step| step.name() == Some(name)) {
                    return Ok(Some(progress(step)));
                }
            }
            Ok(None)
        })
    }

    fn cancel<'a>(&'a self, cluster: &'a str, step: &'a str) -> Boxed<'a, Result<(), Fault>> {
        Box::pin(async move {
            let call = self.emr().cancel_steps().cluster_id(cluster).step_ids(step);
            let call = call.step_cancellation_option(StepCancellationOption::TerminateProcess);
            call.send().await.during("elasticmapreduce:CancelSteps")?;
            Ok(())
        })
    }

    fn active<'a>(&'a self, cluster: &'a str) -> Boxed<'a, Result<Vec<String>, Fault>> {
        Box::pin(async move {
            let call = self.emr().list_steps().cluster_id(cluster);
            let call = call.step_states(StepState::Pending).step_states(StepState::Running);
            let page = call.send().await.during("elasticmapreduce:ListSteps")?;
            Ok(page.steps().iter().filter_map(|step| step.name().map(str::to_owned)).collect())
        })
    }
}

/// "A job flow that is shutting down, terminated, or finished may not be modified": another
/// cluster will take it.
fn ending(fault: Fault) -> Fault {
    if fault.message.contains("shutting down, terminated, or finished") {
        fault.class(Class::Conflict)
    } else {
        fault
    }
}

fn progress(step: &StepSummary) -> Progress {
    let status = step.status();
    let state = match status.and_then(|status| status.state()) {
        Some(StepState::Pending) | None => State::Pending,
        Some(StepState::Completed) => State::Completed,
        Some(StepState::Failed) => State::Failed,
        Some(StepState::Cancelled | StepState::Interrupted) => State::Cancelled,
        Some(_) => State::Running,
    };
    let details = status.and_then(|status| status.failure_details());
    let change = status.and_then(|status| status.state_change_reason());
    let reason = details
        .and_then(|details| details.message().or(details.reason()))
        .or_else(|| change.and_then(|change| change.message()))
        .map(str::to_owned);
    Progress { step: step.id().unwrap_or_default().to_owned(), state, reason }
}
