//! `cloudwatch-dashboard`: graphs and texts on one page.

mod body;

use std::collections::BTreeMap;

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::operation::put_dashboard::PutDashboardOutput;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::aws::{Aws, During, absent};
use crate::cloud::{Class, Fault, Owned};
use crate::kind::place::ID_TAG;
use crate::kind::rule::replace;
use crate::kind::{Flaw, Live, Name, Outputs, Phase, Place, Rule};
use crate::plan::diff::Diff;

use super::cloudwatch::{self, ABSENT};
use super::{Resource, Tags};
use body::Body;

/// A CloudWatch dashboard. It is one for all regions of the account, so two regions' dashboards
/// need two names.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CloudwatchDashboard {
    /// Letters, digits, `-` and `_`, up to 255.
    pub name: Name,
    /// The document as CloudWatch has it: `widgets` and its like. Compared as JSON.
    pub body: Body,
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

const NAME_MAX: usize = 255;
const PUT: &str = "cloudwatch:PutDashboard";

impl Resource for CloudwatchDashboard {
    const KIND: &'static str = "cloudwatch-dashboard";
    const OUTPUTS: &'static [&'static str] = &["arn", "name"];
    const RULES: &'static [Rule] = &[replace("name")];

    fn identity(&self) -> Name {
        self.name.clone()
    }

    fn check(&self) -> Vec<Flaw> {
        let mut flaws = Vec::new();
        let name = self.name.as_str();
        let letter = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        if !((1..=NAME_MAX).contains(&name.len()) && name.chars().all(letter)) {
            let what = format!("a dashboard's name has 1 to {NAME_MAX} letters, digits, `-`, `_`");
            flaws.push(Flaw::error("name", what));
        }
        flaws.extend(self.body.flaws());
        flaws
    }

    fn predict(&self, place: &Place) -> Outputs {
        outputs(&self.name, place)
    }

    async fn observe(aws: &Aws, identity: &Name) -> Result<Option<Live<Self>>, Fault> {
        let call = aws.client::<Client>().get_dashboard().dashboard_name(identity.as_str());
        let arn = arn(identity, &aws.place);
        let tags = aws.tags_in(aws.listed_at_home(), &arn, cloudwatch::tags(aws, &arn));
        let (answer, tags) = futures_util::join!(call.send(), tags);
        let Some(found) = absent(answer.during("cloudwatch:GetDashboard"), ABSENT)? else {
            return Ok(None);
        };
        let Some(tags) = tags? else { return Ok(None) };
        let body = Body::read(found.dashboard_body().unwrap_or_default());
        let spec = Self { name: identity.clone(), body, tags };
        Ok(Some(Live { spec, outputs: outputs(identity, &aws.place), phase: Phase::Ready }))
    }

    async fn create(&self, aws: &Aws) -> Result<(), Fault> {
        self.put(aws).await
    }

    async fn update(&self, aws: &Aws, live: &Live<Self>, diff: &Diff) -> Result<(), Fault> {
        let arn = arn(&self.name, &aws.place);
        let tags = cloudwatch::tag(aws, &arn, &self.tags, &live.spec.tags);
        cloudwatch::update(diff, self.put(aws), tags).await
    }

    async fn delete(aws: &Aws, identity: &Name, _live: &Live<Self>) -> Result<(), Fault> {
        let call = aws.client::<Client>().delete_dashboards().dashboard_names(identity.as_str());
        absent(call.send().await.during("cloudwatch:DeleteDashboards"), ABSENT)?;
        Ok(())
    }

    /// The listing of this region names no dashboard, unless it is the one that names them all.
    async fn owned(aws: &Aws) -> Result<Vec<Owned>, Fault> {
        let listing = aws.listed_at_home().await?;
        Ok(listing.iter().filter_map(stray).collect())
    }

    fn listed(arn: &str, _tags: &Tags) -> Option<Name> {
        let (_, name) = arn.split_once(":cloudwatch:")?.1.split_once(":dashboard/")?;
        Some(Name::new(name))
    }
}

impl CloudwatchDashboard {
    async fn put(&self, aws: &Aws) -> Result<(), Fault> {
        let call = aws
            .client::<Client>()
            .put_dashboard()
            .dashboard_name(self.name.as_str())
            .dashboard_body(self.body.text())
            .set_tags(Some(cloudwatch::pairs(&self.tags)));
        let answer = call.send().await.during(PUT)?;
        let Some(fault) = told(&answer) else { return Ok(()) };
        // The messages do not say whether they are errors or warnings: what it is now does.
        let live = Self::observe(aws, &self.name).await?;
        if live.is_some_and(|live| live.spec.body == self.body) { Ok(()) } else { Err(fault) }
    }
}

/// What CloudWatch says about a body that it answered 200 to.
fn told(answer: &PutDashboardOutput) -> Option<Fault> {
    let each = answer.dashboard_validation_messages().iter().map(|message| {
        let path = message.data_path().unwrap_or_default();
        format!("{path}: {}", message.message().unwrap_or_default())
    });
    let said: Vec<_> = each.collect();
    (!said.is_empty()).then(|| Fault::new(Class::Invalid, PUT, said.join("; ")))
}

fn stray((arn, tags): &(String, Tags)) -> Option<Owned> {
    Some(Owned {
        kind: CloudwatchDashboard::KIND.into(),
        id: tags.get(ID_TAG).cloned().unwrap_or_default(),
        identity: CloudwatchDashboard::listed(arn, tags)?,
        arn: Some(arn.clone()),
    })
}

fn arn(name: &Name, place: &Place) -> String {
    place.global_arn("cloudwatch", &format!("dashboard/{name}"))
}

fn outputs(name: &Name, place: &Place) -> Outputs {
    Outputs::from([("arn".into(), arn(name, place)), ("name".into(), name.to_string())])
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_cloudwatch::types::DashboardValidationMessage;

    #[test]
    fn an_arn_without_a_region_names_its_dashboard() {
        let place = Place {
            partition: "aws".into(),
            account: "123456789012".into(),
            region: "eu-west-1".into(),
            owner: crate::kind::Owner("a".into()),
        };
        let arn = arn(&Name::new("lake"), &place);
        assert_eq!(arn, "arn:aws:cloudwatch::123456789012:dashboard/lake");
        assert_eq!(CloudwatchDashboard::listed(&arn, &Tags::new()), Some(Name::new("lake")));
        let alarm = "arn:aws:cloudwatch:eu-west-1:1:alarm:lake";
        assert_eq!(CloudwatchDashboard::listed(alarm, &Tags::new()), None);
    }

    #[test]
    fn what_cloudwatch_says_of_a_body_is_told_with_its_place() {
        assert_eq!(told(&PutDashboardOutput::builder().build()), None);
        let message = DashboardValidationMessage::builder()
            .data_path("/widgets/0/properties")
            .message("Should have required property 'region'");
        let answer =
            PutDashboardOutput::builder().dashboard_validation_messages(message.build()).build();
        let said = "/widgets/0/properties: Should have required property 'region'";
        assert_eq!(told(&answer).map(|fault| fault.message), Some(said.to_owned()));
    }
}
