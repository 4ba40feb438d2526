//! `glue-database`: a database of the Glue Data Catalog.

use std::collections::BTreeMap;

use aws_sdk_glue::Client;
use aws_sdk_glue::types::{Database, DatabaseInput, Table};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::aws::{Aws, During, absent};
use crate::cloud::{Class, Fault};
use crate::kind::place::OWNER_TAG;
use crate::kind::rule::replace;
use crate::kind::values::tags::{unwanted, without_aws};
use crate::kind::{Flaw, Live, Name, Outputs, Phase, Place, Rule};
use crate::plan::diff::Diff;

use super::glue::{ABSENT, databases, list, literal, lower_case, same_location, without_foreign};
use super::{Resource, Tags};

/// A database of the Glue Data Catalog. Deleting it deletes its tables from the catalog; the data
/// in S3 stays. It is not deleted while there are tables in it that are not the blueprint's.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GlueDatabase {
    /// In lower case.
    pub name: Name,
    /// What the database holds, in words.
    #[serde(default)]
    pub description: String,
    /// Where tables go that say nothing of it, as `s3://lake/tables/`. Left out: nowhere.
    #[serde(default)]
    pub location: String,
    /// Properties. What crawlers, Athena and Spark add by themselves is left to them.
    #[serde(default)]
    pub parameters: BTreeMap<String, String>,
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// The most names that one `BatchDeleteTable` takes.
const BATCH: usize = 100;

impl Resource for GlueDatabase {
    const KIND: &'static str = "glue-database";
    const OUTPUTS: &'static [&'static str] = &["arn", "name"];
    const RULES: &'static [Rule] = &[replace("name")];

    fn identity(&self) -> Name {
        self.name.clone()
    }

    fn check(&self) -> Vec<Flaw> {
        let mut flaws: Vec<_> = lower_case("name", self.name.as_str()).into_iter().collect();
        if literal(&self.location) && !self.location.is_empty() && !self.location.contains("://") {
            let what = format!("`{}` is not a location", self.location);
            flaws.push(Flaw::error("location", what).hint("as `s3://bucket/prefix/`"));
        }
        if self.parameters.contains_key(OWNER_TAG) {
            let what = format!("`{OWNER_TAG}` is for `pipeline` to write");
            flaws.push(Flaw::error("parameters", what));
        }
        flaws
    }

    fn predict(&self, place: &Place) -> Outputs {
        outputs(self.name.as_str(), place)
    }

    fn reconcile(&self, live: &mut Self) {
        if same_location(&self.location, &live.location) {
            live.location.clone_from(&self.location);
        }
        without_foreign(&self.parameters, &mut live.parameters);
    }

    async fn observe(aws: &Aws, identity: &Name) -> Result<Option<Live<Self>>, Fault> {
        let api = aws.client::<Client>();
        let arn = arn(identity.as_str(), &aws.place);
        let (database, tags) = futures_util::join!(
            find(aws, &api, identity.as_str()),
            aws.tags(&arn, tags_of(&api, &arn)),
        );
        let Some(database) = database? else { return Ok(None) };
        let Some(tags) = tags? else { return Ok(None) };
        Ok(Some(read(&database, tags, &aws.place)))
    }

    async fn create(&self, aws: &Aws) -> Result<(), Fault> {
        const CALL: &str = "glue:CreateDatabase";
        let call = aws.client::<Client>().create_database();
        let call = call.database_input(self.input(None, CALL)?);
        call.set_tags(Some(self.tags.clone().into_iter().collect())).send().await.during(CALL)?;
        Ok(())
    }

    async fn update(&self, aws: &Aws, live: &Live<Self>, diff: &Diff) -> Result<(), Fault> {
        if diff.touches("tags") {
            self.update_tags(aws, &live.spec.tags).await?;
        }
        // The owner is also among the parameters.
        let owner = format!("tags.{OWNER_TAG}");
        if ["description", "location", "parameters", &owner].iter().any(|path| diff.touches(path)) {
            self.overwrite(aws).await?;
        }
        Ok(())
    }

    /// Glue would delete whatever is in it.
    async fn delete(aws: &Aws, identity: &Name, _live: &Live<Self>) -> Result<(), Fault> {
        const CALL: &str = "glue:DeleteDatabase";
        let foreign = foreign(aws, identity).await?;
        if !foreign.is_empty() {
            let some = foreign.iter().take(3).cloned().collect::<Vec<_>>().join(", ");
            let count = foreign.len();
            let what = format!("not the blueprint's, and in `{identity}`: {some} ({count} in all)");
            return Err(Fault::new(Class::NotEmpty, CALL, what));
        }
        let call = aws.client::<Client>().delete_database().name(identity.as_str());
        absent(call.send().await.during(CALL), ABSENT)?;
        Ok(())
    }

    async fn purge(aws: &Aws, identity: &Name) -> Result<(), Fault> {
        let some: Vec<_> = foreign(aws, identity).await?.into_iter().take(BATCH).collect();
        if some.is_empty() {
            return Ok(());
        }
        let call = aws.client::<Client>().batch_delete_table();
        let call = call.database_name(identity.as_str()).set_tables_to_delete(Some(some));
        absent(call.send().await.during("glue:BatchDeleteTable"), ABSENT)?;
        Ok(())
    }

    fn listed(arn: &str, _tags: &Tags) -> Option<Name> {
        let (_, name) = arn.split_once(":glue:")?.1.split_once(":database/")?;
        Some(Name::new(name))
    }
}

/// A look lists the catalog anyway, in search of our tables; whom it does not name is asked for.
async fn find(aws: &Aws, api: &Client, name: &str) -> Result<Option<Database>, Fault> {
    if aws.looks_at_everything()
        && let Ok(databases) = databases(aws).await
        && let Some(found) = databases.iter().find(|database| database.name() == name)
    {
        return Ok(Some(found.clone()));
    }
    let answer = api.get_database().name(name).send().await;
    let found = absent(answer.during("glue:GetDatabase"), ABSENT)?;
    Ok(found.and_then(|found| found.database))
}

async fn tags_of(api: &Client, arn: &str) -> Result<Option<Tags>, Fault> {
    let answer =
        absent(api.get_tags().resource_arn(arn).send().await.during("glue:GetTags"), ABSENT)?;
    Ok(answer.map(|answer| without_aws(answer.tags().cloned().unwrap_or_default())))
}

fn arn(name: &str, place: &Place) -> String {
    place.arn("glue", &format!("database/{name}"))
}

fn outputs(name: &str, place: &Place) -> Outputs {
    Outputs::from([("arn".into(), arn(name, place)), ("name".into(), name.to_owned())])
}

fn read(database: &Database, tags: BTreeMap<String, String>, place: &Place) -> Live<GlueDatabase> {
    let parameters = database.parameters().into_iter().flatten();
    let spec = GlueDatabase {
        name: Name::new(database.name()),
        description: database.description().unwrap_or_default().to_owned(),
        location: database.location_uri().unwrap_or_default().to_owned(),
        parameters: parameters
            .filter(|(key, _)| *key != OWNER_TAG)
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect(),
        tags,
    };
    Live { spec, outputs: outputs(database.name(), place), phase: Phase::Ready }
}

/// The tables in it that are not the blueprint's.
async fn foreign(aws: &Aws, database: &Name) -> Result<Vec<String>, Fault> {
    let owner = aws.place.owner.0.as_str();
    let ours = |table: &Table| {
        table.parameters().and_then(|parameters| parameters.get(OWNER_TAG)).map(String::as_str)
            == Some(owner)
    };
    let tables = list(aws, database.as_str()).await?;
    Ok(tables.iter().filter(|table| !ours(table)).map(|table| table.name().to_owned()).collect())
}

impl GlueDatabase {
    /// All that an update overwrites: ours, and of what is live what others look after.
    fn input(
        &self,
        live: Option<&Database>,
        operation: &'static str,
    ) -> Result<DatabaseInput, Fault> {
        let written = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let mut parameters = self.parameters.clone();
        parameters
            .extend(self.tags.get(OWNER_TAG).map(|owner| (OWNER_TAG.to_owned(), owner.clone())));
        let mut input = DatabaseInput::builder()
            .name(self.name.as_str())
            .set_description(written(&self.description))
            .set_location_uri(written(&self.location));
        if let Some(live) = live {
            let mut theirs: BTreeMap<_, _> = live
                .parameters()
                .into_iter()
                .flatten()
                .map(|(k, v)| (k.clone(), v.clone()))
                .collect();
            theirs.retain(|key, _| super::glue::foreign(key));
            theirs.extend(parameters);
            parameters = theirs;
            input = input
                .set_create_table_default_permissions(live.create_table_default_permissions.clone())
                .set_target_database(live.target_database.clone())
                .set_federated_database(live.federated_database.clone());
        }
        input.set_parameters(Some(parameters.into_iter().collect())).build().during(operation)
    }

    async fn overwrite(&self, aws: &Aws) -> Result<(), Fault> {
        const CALL: &str = "glue:UpdateDatabase";
        let (api, name) = (aws.client::<Client>(), self.name.as_str());
        let found = api.get_database().name(name).send().await.during("glue:GetDatabase")?;
        let call = api.update_database().name(name);
        call.database_input(self.input(found.database(), CALL)?).send().await.during(CALL)?;
        Ok(())
    }

    async fn update_tags(&self, aws: &Aws, live: &BTreeMap<String, String>) -> Result<(), Fault> {
        let (api, arn) = (aws.client::<Client>(), arn(self.name.as_str(), &aws.place));
        let gone = unwanted(&self.tags, live);
        if !gone.is_empty() {
            let call = api.untag_resource().resource_arn(&arn).set_tags_to_remove(Some(gone));
            call.send().await.during("glue:UntagResource")?;
        }
        if !self.tags.is_empty() {
            let tags = self.tags.clone().into_iter().collect();
            let call = api.tag_resource().resource_arn(&arn).set_tags_to_add(Some(tags));
            call.send().await.during("glue:TagResource")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::Owner;
    use crate::plan::diff::diff;
    use aws_sdk_glue::types::{DataLakePrincipal, Permission, PrincipalPermissions};
    use serde_json::json;

    const OWNER: &str = "lake/default/eu-west-1";

    fn place() -> Place {
        Place {
            partition: "aws".into(),
            account: "123456789012".into(),
            region: "eu-west-1".into(),
            owner: Owner(OWNER.into()),
        }
    }

    fn lake() -> GlueDatabase {
        serde_json::from_value(json!({
            "name": "lake",
            "location": "s3://lake/tables/",
            "parameters": {"stage": "dev"},
            "tags": {"team": "data", OWNER_TAG: OWNER},
        }))
        .unwrap()
    }

    /// What `input` sends, as `GetDatabase` answers it, with what Glue fills in.
    fn answered(spec: &GlueDatabase, live: Option<&Database>) -> Database {
        let input = spec.input(live, "test").unwrap();
        let everybody =
            DataLakePrincipal::builder().data_lake_principal_identifier("IAM_ALLOWED_PRINCIPALS");
        let permissions = PrincipalPermissions::builder()
            .principal(everybody.build())
            .permissions(Permission::All);
        Database::builder()
            .name(input.name())
            .set_description(input.description.clone())
            .set_location_uri(input.location_uri.clone())
            .set_parameters(input.parameters.clone())
            .create_table_default_permissions(permissions.build())
            .catalog_id("123456789012")
            .build()
            .unwrap()
    }

    fn differences(spec: &GlueDatabase, found: &Database) -> Vec<String> {
        let mut live = read(found, lake().tags, &place()).spec;
        spec.reconcile(&mut live);
        let value = |spec: &GlueDatabase| serde_json::to_value(spec).unwrap();
        diff(&value(spec), &value(&live), GlueDatabase::RULES).paths()
    }

    #[test]
    fn what_is_written_reads_back_the_same_and_carries_the_owner() {
        let found = answered(&lake(), None);
        assert_eq!(found.parameters().unwrap()[OWNER_TAG], OWNER);
        assert_eq!(differences(&lake(), &found), Vec::<String>::new());
        let live = read(&found, BTreeMap::new(), &place());
        assert!(live.spec.tags.is_empty() && !live.spec.parameters.contains_key(OWNER_TAG));
        assert_eq!(live.outputs["arn"], "arn:aws:glue:eu-west-1:123456789012:database/lake");
        assert_eq!(
            GlueDatabase::listed(&live.outputs["arn"], &BTreeMap::new()),
            Some(Name::new("lake"))
        );
        let table = "arn:aws:glue:eu-west-1:123456789012:table/lake/events";
        assert_eq!(GlueDatabase::listed(table, &BTreeMap::new()), None);
    }

    #[test]
    fn only_what_the_blueprint_or_nobody_looks_after_differs() {
        let mut found = answered(&lake(), None);
        found.location_uri = Some("s3://lake/tables".into());
        let parameters = found.parameters.as_mut().unwrap();
        parameters.insert("UPDATED_BY_CRAWLER".into(), "x".into());
        assert_eq!(differences(&lake(), &found), Vec::<String>::new());
        found.description = Some("by hand".into());
        found.parameters.as_mut().unwrap().insert("mine".into(), "x".into());
        assert_eq!(differences(&lake(), &found), ["description", "parameters.mine"]);
        let sent = lake().input(Some(&found), "test").unwrap();
        assert_eq!(sent.description(), None);
        let keys: std::collections::BTreeSet<_> = sent.parameters().unwrap().keys().collect();
        assert_eq!(Vec::from_iter(keys), ["UPDATED_BY_CRAWLER", OWNER_TAG, "stage"]);
        assert_eq!(sent.create_table_default_permissions().len(), 1);
    }

    #[test]
    fn what_glue_would_refuse_is_refused_before() {
        for (spec, path) in [
            (json!({"name": "lake"}), None),
            (json!({"name": "Lake"}), Some("name")),
            (json!({"name": "lake", "location": "lake"}), Some("location")),
            (json!({"name": "lake", "parameters": {OWNER_TAG: "x"}}), Some("parameters")),
        ] {
            let flaws = serde_json::from_value::<GlueDatabase>(spec).unwrap().check();
            assert_eq!(flaws.first().map(|flaw| flaw.path.as_str()), path);
        }
    }
}
