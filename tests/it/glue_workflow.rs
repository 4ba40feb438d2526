//! `glue-workflow`: a workflow of Glue jobs and crawlers.

use std::collections::BTreeMap;

use aws_sdk_glue::Client;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use pipeline::aws::{Aws, During, absent};
use pipeline::cloud::Fault;
use pipeline::kind::rule::replace;
use pipeline::kind::values::tags::{unwanted, without_aws};
use pipeline::kind::{Flaw, Live, Name, Outputs, Phase, Place, Rule};
use pipeline::plan::diff::Diff;

use pipeline::resources::{Resource, Tags};

/// A workflow of Glue jobs and crawlers.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GlueWorkflow {
    /// Up to 255 characters.
    pub name: Name,
    /// What it does, in words.
    #[serde(default)]
    pub description: String,
    /// What each of its runs is told, by name.
    #[serde(default)]
    pub run_properties: BTreeMap<String, String>,
    #[serde(default)]
    pub tags: Tags,
}

const ABSENT: &[&str] = &["EntityNotFoundException"];
const NAME_MAX: usize = 255;

impl Resource for GlueWorkflow {
    const KIND: &'static str = "glue-workflow";
    const OUTPUTS: &'static [&'static str] = &["arn", "name"];
    const RULES: &'static [Rule] = &[replace("name")];

    fn identity(&self) -> Name {
        self.name.clone()
    }

    fn check(&self) -> Vec<Flaw> {
        let length = self.name.as_str().chars().count();
        if (1..=NAME_MAX).contains(&length) {
            return Vec::new();
        }
        let what = format!("a workflow's name has 1 to {NAME_MAX} characters, not {length}");
        vec![Flaw::error("name", what)]
    }

    fn predict(&self, place: &Place) -> Outputs {
        outputs(&self.name, place)
    }

    async fn observe(aws: &Aws, identity: &Name) -> Result<Option<Live<Self>>, Fault> {
        let api = aws.client::<Client>();
        let answer = api.get_workflow().name(identity.as_str()).send().await;
        let Some(found) = absent(answer.during("glue:GetWorkflow"), ABSENT)? else {
            return Ok(None);
        };
        let answer = api.get_tags().resource_arn(arn(identity, &aws.place)).send().await;
        let Some(tags) = absent(answer.during("glue:GetTags"), ABSENT)? else { return Ok(None) };
        let Some(workflow) = found.workflow() else { return Ok(None) };
        let properties = workflow.default_run_properties().cloned().unwrap_or_default();
        let spec = Self {
            name: identity.clone(),
            description: workflow.description().unwrap_or_default().to_owned(),
            run_properties: properties.into_iter().collect(),
            tags: without_aws(tags.tags().cloned().unwrap_or_default()),
        };
        Ok(Some(Live { spec, outputs: outputs(identity, &aws.place), phase: Phase::Ready }))
    }

    async fn create(&self, aws: &Aws) -> Result<(), Fault> {
        let call = aws
            .client::<Client>()
            .create_workflow()
            .name(self.name.as_str())
            .description(&self.description)
            .set_default_run_properties(Some(self.run_properties.clone().into_iter().collect()))
            .set_tags(Some(self.tags.clone().into_iter().collect()));
        call.send().await.during("glue:CreateWorkflow")?;
        Ok(())
    }

    async fn update(&self, aws: &Aws, live: &Live<Self>, diff: &Diff) -> Result<(), Fault> {
        let api = aws.client::<Client>();
        if diff.touches("description") || diff.touches("run_properties") {
            let properties = self.run_properties.clone().into_iter().collect();
            let call = api.update_workflow().name(self.name.as_str());
            let call = call.description(&self.description);
            let call = call.set_default_run_properties(Some(properties));
            call.send().await.during("glue:UpdateWorkflow")?;
        }
        if diff.touches("tags") {
            let arn = arn(&self.name, &aws.place);
            let call = api.tag_resource().resource_arn(&arn);
            let call = call.set_tags_to_add(Some(self.tags.clone().into_iter().collect()));
            call.send().await.during("glue:TagResource")?;
            let gone = unwanted(&self.tags, &live.spec.tags);
            if !gone.is_empty() {
                let call = api.untag_resource().resource_arn(&arn).set_tags_to_remove(Some(gone));
                call.send().await.during("glue:UntagResource")?;
            }
        }
        Ok(())
    }

    async fn delete(aws: &Aws, identity: &Name, _live: &Live<Self>) -> Result<(), Fault> {
        let call = aws.client::<Client>().delete_workflow().name(identity.as_str());
        absent(call.send().await.during("glue:DeleteWorkflow"), ABSENT)?;
        Ok(())
    }

    fn listed(arn: &str, _tags: &Tags) -> Option<Name> {
        let (_, name) = arn.split_once(":glue:")?.1.split_once(":workflow/")?;
        Some(Name::new(name))
    }
}

fn arn(name: &Name, place: &Place) -> String {
    place.arn("glue", &format!("workflow/{name}"))
}

fn outputs(name: &Name, place: &Place) -> Outputs {
    Outputs::from([("arn".into(), arn(name, place)), ("name".into(), name.to_string())])
}
