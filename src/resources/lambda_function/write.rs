//! The calls that make a function and change it.

use std::collections::BTreeMap;
use std::path::Path;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{
    DeadLetterConfig, Environment, EphemeralStorage, FunctionCode, PackageType, Runtime,
};

use crate::aws::{Aws, During, absent};
use crate::cloud::{Class, Fault};
use crate::folder::zipped;
use crate::kind::values::tags::unwanted;
use crate::plan::diff::Diff;

use super::settings::Vpc;
use super::{ABSENT, LambdaFunction, NONE, arn, young};

const CREATE: &str = "lambda:CreateFunction";
const CONFIGURE: &str = "lambda:UpdateFunctionConfiguration";
const UPLOAD: &str = "lambda:UpdateFunctionCode";
const CONCURRENCY: &str = "lambda:DeleteFunctionConcurrency";

/// Fields that one call writes, those together that differ.
const CONFIGURATION: [&str; 14] = [
    "dead_letter",
    "description",
    "environment",
    "ephemeral_mb",
    "handler",
    "key",
    "layers",
    "logging",
    "memory_mb",
    "role",
    "runtime",
    "timeout",
    "tracing",
    "vpc",
];

/// An empty text takes away what is there.
fn or_empty(text: &str) -> &str {
    if text == NONE { "" } else { text }
}

impl LambdaFunction {
    /// The zip that was planned; the files may have changed since.
    fn zip(&self, operation: &'static str) -> Result<Blob, Fault> {
        let invalid = |what| Err(Fault::new(Class::Invalid, operation, what));
        match zipped(Path::new(&self.code)) {
            Err(unfit) => invalid(format!("{} {unfit}", self.code)),
            Ok(zip) if zip.sha256 != self.code_sha256 => invalid(format!(
                "the files in {} changed since the plan was made; plan again",
                self.code
            )),
            Ok(zip) => Ok(Blob::new(zip.bytes)),
        }
    }

    pub(super) async fn make(&self, aws: &Aws) -> Result<(), Fault> {
        let code = FunctionCode::builder().zip_file(self.zip(CREATE)?).build();
        let call = aws
            .client::<Client>()
            .create_function()
            .function_name(self.name.as_str())
            .package_type(PackageType::Zip)
            .code(code)
            .handler(&self.handler)
            .runtime(Runtime::from(self.runtime.as_str()))
            .architectures(self.architecture.sent())
            .role(&self.role)
            .description(&self.description)
            .memory_size(self.memory_mb.cast_signed())
            .timeout(self.timeout())
            .ephemeral_storage(self.storage(CREATE)?)
            .environment(self.variables())
            .set_kms_key_arn((self.key != NONE).then(|| self.key.clone()))
            .set_dead_letter_config((self.dead_letter != NONE).then(|| self.letters()))
            .set_vpc_config(self.vpc.as_ref().map(|vpc| Vpc::sent(Some(vpc))))
            .logging_config(self.logging.sent(self.log_group()))
            .tracing_config(self.tracing.sent())
            .set_layers((!self.layers.is_empty()).then(|| self.layers.clone()))
            .set_tags(Some(self.tags.clone().into_iter().collect()));
        call.send().await.during(CREATE).map_err(young)?;
        Ok(())
    }

    pub(super) fn configures(&self, diff: &Diff) -> bool {
        CONFIGURATION.iter().any(|field| diff.touches(field))
    }

    /// Only what differs is sent: Lambda asks the role anew about what it is told again.
    pub(super) async fn configure(&self, api: &Client, diff: &Diff) -> Result<(), Fault> {
        let differs = |field: &str| diff.touches(field);
        let text = |field: &str, text: &str| differs(field).then(|| or_empty(text).to_owned());
        let runtime = differs("runtime").then(|| Runtime::from(self.runtime.as_str()));
        let storage = differs("ephemeral_mb").then(|| self.storage(CONFIGURE)).transpose()?;
        let call = api
            .update_function_configuration()
            .function_name(self.name.as_str())
            .set_handler(text("handler", &self.handler))
            .set_runtime(runtime)
            .set_role(text("role", &self.role))
            .set_description(differs("description").then(|| self.description.clone()))
            .set_memory_size(differs("memory_mb").then(|| self.memory_mb.cast_signed()))
            .set_timeout(differs("timeout").then(|| self.timeout()))
            .set_ephemeral_storage(storage)
            .set_environment(differs("environment").then(|| self.variables()))
            .set_kms_key_arn(text("key", &self.key))
            .set_dead_letter_config(differs("dead_letter").then(|| self.letters()))
            .set_vpc_config(differs("vpc").then(|| Vpc::sent(self.vpc.as_ref())))
            .set_logging_config(differs("logging").then(|| self.logging.sent(self.log_group())))
            .set_tracing_config(differs("tracing").then(|| self.tracing.sent()))
            .set_layers(differs("layers").then(|| self.layers.clone()));
        call.send().await.during(CONFIGURE).map_err(young)?;
        Ok(())
    }

    pub(super) async fn upload(&self, api: &Client) -> Result<(), Fault> {
        let call = api
            .update_function_code()
            .function_name(self.name.as_str())
            .zip_file(self.zip(UPLOAD)?)
            .architectures(self.architecture.sent());
        call.send().await.during(UPLOAD).map_err(young)?;
        Ok(())
    }

    pub(super) async fn reserve(&self, api: &Client) -> Result<(), Fault> {
        let name = self.name.as_str();
        let Some(most) = self.reserved_concurrency.as_ref() else {
            let call = api.delete_function_concurrency().function_name(name);
            absent(call.send().await.during(CONCURRENCY), ABSENT)?;
            return Ok(());
        };
        let call = api.put_function_concurrency().function_name(name);
        let call = call.reserved_concurrent_executions(most.cast_signed());
        call.send().await.during("lambda:PutFunctionConcurrency")?;
        Ok(())
    }

    pub(super) async fn tag(
        &self,
        aws: &Aws,
        live: &BTreeMap<String, String>,
    ) -> Result<(), Fault> {
        let api = aws.client::<Client>();
        let arn = arn(&self.name, &aws.place);
        let call = api.tag_resource().resource(&arn);
        let call = call.set_tags(Some(self.tags.clone().into_iter().collect()));
        call.send().await.during("lambda:TagResource")?;
        let gone = unwanted(&self.tags, live);
        if !gone.is_empty() {
            let call = api.untag_resource().resource(&arn).set_tag_keys(Some(gone));
            call.send().await.during("lambda:UntagResource")?;
        }
        Ok(())
    }

    fn timeout(&self) -> i32 {
        i32::try_from(self.timeout.seconds).unwrap_or(i32::MAX)
    }

    fn storage(&self, operation: &'static str) -> Result<EphemeralStorage, Fault> {
        let size = self.ephemeral_mb.cast_signed();
        EphemeralStorage::builder().size(size).build().during(operation)
    }

    fn variables(&self) -> Environment {
        let variables = self.environment.clone().into_iter().collect();
        Environment::builder().set_variables(Some(variables)).build()
    }

    fn letters(&self) -> DeadLetterConfig {
        DeadLetterConfig::builder().target_arn(or_empty(&self.dead_letter)).build()
    }
}
