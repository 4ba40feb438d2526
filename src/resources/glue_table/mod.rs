//! `glue-table`: a table of the Glue Data Catalog.

mod format;
#[cfg(test)]
mod tests;
mod write;

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_glue::Client;
use aws_sdk_glue::types::{Column as SdkColumn, Database, SerDeInfo, StorageDescriptor, Table};
use futures_util::future::{join_all, try_join_all};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::aws::{Aws, During, absent};
use crate::cloud::{Class, Fault, Owned};
use crate::kind::place::{ID_TAG, OWNER_TAG};
use crate::kind::rule::replace;
use crate::kind::{Flaw, Live, Name, Outputs, Phase, Place, Rule};
use crate::plan::diff::Diff;

use super::Resource;
use super::glue::{
    ABSENT, PAGE, databases, list, literal, lower_case, same_location, tag_of, without_foreign,
};

use format::{Format, SERIALIZATION};

/// A table of the Glue Data Catalog. Deleting it leaves the data in S3 alone.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GlueTable {
    /// Name of the database, in lower case.
    pub database: String,
    /// In lower case.
    pub name: Name,
    /// What the table holds, in words.
    #[serde(default)]
    pub description: String,
    /// The columns in their order, without the partition keys.
    #[serde(default)]
    pub columns: Vec<Column>,
    /// The columns that the folders stand for, outermost first.
    #[serde(default)]
    pub partition_keys: Vec<Column>,
    /// Where the data is, as `s3://lake/events/`.
    #[serde(default)]
    pub location: String,
    /// Stands for `input_format`, `output_format` and the library of `serde`.
    #[serde(default)]
    pub format: Option<Format>,
    /// Java class that reads the files, where no `format` does.
    #[serde(default)]
    pub input_format: Option<String>,
    /// Java class that writes the files, where no `format` does.
    #[serde(default)]
    pub output_format: Option<String>,
    /// How a row is read from a file and written to it. Left out: as the format has it.
    #[serde(default)]
    pub serde: Option<Serde>,
    /// `EXTERNAL_TABLE`, or another type that Athena and Spark know.
    #[serde(default = "external")]
    pub table_type: String,
    /// `iceberg` makes an Iceberg table; its schema changes by Athena or Spark from then on.
    #[serde(default)]
    pub open_table_format: OpenTableFormat,
    /// Table properties, as `projection.enabled`. What crawlers, Athena and Spark add by
    /// themselves is left to them.
    #[serde(default)]
    pub parameters: BTreeMap<String, String>,
    /// Kept among the table's parameters, for Glue has no tags on tables.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// Lower-case, as Hive has it.
    pub name: String,
    /// As Hive writes it: `string`, `bigint`, `array<struct<id:int>>`.
    #[serde(rename = "type")]
    pub data_type: String,
    /// What the column holds, in words.
    #[serde(default)]
    pub comment: String,
}

/// A serializer and deserializer of rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Serde {
    /// Its Java class, where no `format` has one.
    #[serde(default)]
    pub library: Option<String>,
    /// Its options, as `separatorChar`.
    #[serde(default)]
    pub parameters: BTreeMap<String, String>,
}

/// Who looks after the table's metadata.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OpenTableFormat {
    #[default]
    None,
    Iceberg,
}

fn external() -> String {
    "EXTERNAL_TABLE".to_owned()
}

impl Resource for GlueTable {
    const KIND: &'static str = "glue-table";
    const OUTPUTS: &'static [&'static str] = &["name", "database", "arn"];
    const RULES: &'static [Rule] =
        &[replace("name"), replace("database"), replace("open_table_format")];

    fn identity(&self) -> Name {
        Name::new(format!("{}/{}", self.database, self.name))
    }

    fn check(&self) -> Vec<Flaw> {
        let mut flaws: Vec<_> = lower_case("database", &self.database).into_iter().collect();
        flaws.extend(lower_case("name", self.name.as_str()));
        self.check_columns(&mut flaws);
        self.check_storage(&mut flaws);
        for key in self.parameters.keys().filter(|key| tag_of(key).is_some()) {
            let what = format!("`{key}` is for `pipeline` to write");
            flaws.push(Flaw::error("parameters", what).hint("write it under `tags`"));
        }
        flaws
    }

    fn predict(&self, place: &Place) -> Outputs {
        outputs(&self.database, self.name.as_str(), place)
    }

    fn reconcile(&self, live: &mut Self) {
        if same_location(&self.location, &live.location) {
            live.location.clone_from(&self.location);
        }
        respell(&self.columns, &mut live.columns);
        respell(&self.partition_keys, &mut live.partition_keys);
        if let (Some(ours), Some(theirs)) = (&self.serde, &mut live.serde) {
            let defaults = self.format.map(Format::parameters).unwrap_or_default();
            theirs.parameters.retain(|key, value| {
                let untold = key == SERIALIZATION || defaults.get(key) == Some(value);
                ours.parameters.contains_key(key) || !untold
            });
        }
        without_foreign(&self.parameters, &mut live.parameters);
        // An Iceberg table's properties are its writers'.
        if live.open_table_format == OpenTableFormat::Iceberg {
            live.parameters.retain(|key, _| self.parameters.contains_key(key));
        }
    }

    async fn observe(aws: &Aws, identity: &Name) -> Result<Option<Live<Self>>, Fault> {
        let found = Self::observe_all(aws, std::slice::from_ref(identity)).await;
        found.into_iter().next().unwrap_or(Ok(None))
    }

    /// One call for each database, whose tables come by the hundred.
    async fn observe_all(aws: &Aws, identities: &[Name]) -> Vec<Result<Option<Live<Self>>, Fault>> {
        let mut wanted = BTreeMap::<&str, BTreeSet<&str>>::new();
        for identity in identities {
            let (database, name) = split(identity);
            wanted.entry(database).or_default().insert(name);
        }
        let databases: Vec<_> = wanted.keys().copied().collect();
        let found = join_all(wanted.iter().map(|(database, names)| find(aws, database, names)));
        let found: BTreeMap<_, _> = databases.into_iter().zip(found.await).collect();
        let answer = |identity: &Name| {
            let (database, name) = split(identity);
            let tables = found[database].as_ref().map_err(Clone::clone)?;
            Ok(tables
                .iter()
                .find(|table| table.name() == name)
                .map(|t| read(database, t, &aws.place)))
        };
        identities.iter().map(answer).collect()
    }

    async fn create(&self, aws: &Aws) -> Result<(), Fault> {
        const CALL: &str = "glue:CreateTable";
        let call = aws
            .client::<Client>()
            .create_table()
            .database_name(&self.database)
            .table_input(self.input(None, CALL)?)
            .set_open_table_format_input(self.open_table_format_input(CALL)?);
        call.send().await.during(CALL)?;
        Ok(())
    }

    /// An update overwrites everything, so it starts from the table as it is at this moment; AWS
    /// refuses it if that is not the newest version.
    async fn update(&self, aws: &Aws, live: &Live<Self>, diff: &Diff) -> Result<(), Fault> {
        const CALL: &str = "glue:UpdateTable";
        if live.spec.open_table_format == OpenTableFormat::Iceberg {
            theirs_to_change(diff)?;
        }
        let api = aws.client::<Client>();
        let call = api.get_table().database_name(&self.database).name(self.name.as_str());
        let found = call.send().await.during("glue:GetTable")?;
        let Some(table) = found.table() else {
            return Err(Fault::new(Class::Conflict, CALL, "the table is no longer there"));
        };
        let call = api
            .update_table()
            .database_name(&self.database)
            .table_input(self.input(Some(table), CALL)?)
            .set_version_id(table.version_id().map(str::to_owned))
            .skip_archive(true);
        call.send().await.during(CALL)?;
        Ok(())
    }

    async fn delete(aws: &Aws, identity: &Name, _live: &Live<Self>) -> Result<(), Fault> {
        let (database, name) = split(identity);
        let call = aws.client::<Client>().delete_table().database_name(database).name(name);
        absent(call.send().await.during("glue:DeleteTable"), ABSENT)?;
        Ok(())
    }

    /// The tables that carry our owner, in the databases that do.
    async fn owned(aws: &Aws) -> Result<Vec<Owned>, Fault> {
        let owner = aws.place.owner.0.as_str();
        let databases = databases(aws).await?;
        let ours = databases.iter().filter(|database| is_ours(aws, database));
        let tables = try_join_all(ours.map(async |database| {
            let tables = list(aws, database.name()).await?;
            Ok(tables.iter().filter_map(|t| owned(database.name(), t, owner)).collect::<Vec<_>>())
        }));
        Ok(tables.await?.into_iter().flatten().collect())
    }
}

fn is_ours(aws: &Aws, database: &Database) -> bool {
    database.parameters().and_then(|p| p.get(OWNER_TAG)) == Some(&aws.place.owner.0)
}

fn split(identity: &Name) -> (&str, &str) {
    identity.as_str().split_once('/').unwrap_or(("", identity.as_str()))
}

fn outputs(database: &str, name: &str, place: &Place) -> Outputs {
    Outputs::from([
        ("arn".into(), place.arn("glue", &format!("table/{database}/{name}"))),
        ("database".into(), database.to_owned()),
        ("name".into(), name.to_owned()),
    ])
}

fn owned(database: &str, table: &Table, owner: &str) -> Option<Owned> {
    let parameters = table.parameters()?;
    (parameters.get(OWNER_TAG)? == owner).then(|| Owned {
        kind: GlueTable::KIND.to_owned(),
        id: parameters.get(ID_TAG).cloned().unwrap_or_default(),
        identity: Name::new(format!("{database}/{}", table.name())),
        arn: None,
    })
}

/// Changing an Iceberg table's schema in the catalog leaves its metadata files as they were: the
/// next reader sees something else than the catalog says.
fn theirs_to_change(diff: &Diff) -> Result<(), Fault> {
    let schema = [
        "columns",
        "partition_keys",
        "location",
        "format",
        "input_format",
        "output_format",
        "serde",
        "table_type",
    ];
    match schema.iter().find(|path| diff.touches(path)) {
        Some(path) => {
            let what = format!(
                "the `{path}` of an Iceberg table are in its metadata files, which Glue does not \
                 write: use ALTER TABLE in Athena or Spark, then write the same here"
            );
            Err(Fault::new(Class::Invalid, "glue:UpdateTable", what))
        }
        None => Ok(()),
    }
}

/// Some tables of a database: by name, or out of its first hundred.
async fn find(aws: &Aws, database: &str, names: &BTreeSet<&str>) -> Result<Vec<Table>, Fault> {
    let api = aws.client::<Client>();
    let (mut tables, mut missing) = (Vec::new(), names.clone());
    // A look lists our databases anyway; in others there may be thousands of tables.
    if aws.looks_at_everything()
        && let Ok(databases) = databases(aws).await
        && databases.iter().any(|one| one.name() == database && is_ours(aws, one))
        && let Ok(listed) = list(aws, database).await
    {
        tables = listed.iter().filter(|table| names.contains(table.name())).cloned().collect();
        missing.retain(|name| !tables.iter().any(|table| table.name() == *name));
    } else if names.len() > 1 {
        let call = api.get_tables().database_name(database).max_results(PAGE);
        let Some(page) = absent(call.send().await.during("glue:GetTables"), ABSENT)? else {
            return Ok(tables);
        };
        tables = page.table_list().to_vec();
        missing.retain(|name| !tables.iter().any(|table| table.name() == *name));
        if page.next_token().is_none() {
            return Ok(tables);
        }
    }
    let others = try_join_all(missing.into_iter().map(async |name| {
        let answer = api.get_table().database_name(database).name(name).send().await;
        absent(answer.during("glue:GetTable"), ABSENT)
    }));
    tables.extend(others.await?.into_iter().flatten().filter_map(|found| found.table));
    Ok(tables)
}

fn read(database: &str, table: &Table, place: &Place) -> Live<GlueTable> {
    let (mut parameters, mut tags) = (BTreeMap::new(), BTreeMap::new());
    for (key, value) in table.parameters().into_iter().flatten() {
        match tag_of(key) {
            Some(tag) => tags.insert(tag.to_owned(), value.clone()),
            None => parameters.insert(key.clone(), value.clone()),
        };
    }
    let iceberg = parameters.get("table_type").is_some_and(|t| t.eq_ignore_ascii_case("iceberg"));
    let storage = table.storage_descriptor();
    let serde = storage.and_then(StorageDescriptor::serde_info);
    let library = serde.and_then(SerDeInfo::serialization_library);
    let input_format = storage.and_then(StorageDescriptor::input_format);
    let output_format = storage.and_then(StorageDescriptor::output_format);
    let spec = GlueTable {
        database: database.to_owned(),
        name: Name::new(table.name()),
        description: table.description().unwrap_or_default().to_owned(),
        columns: columns(storage.map(StorageDescriptor::columns).unwrap_or_default()),
        partition_keys: columns(table.partition_keys()),
        location: storage.and_then(|s| s.location()).unwrap_or_default().to_owned(),
        format: Format::of(input_format, output_format, library),
        input_format: input_format.map(str::to_owned),
        output_format: output_format.map(str::to_owned),
        serde: serde.map(|serde| Serde {
            library: library.map(str::to_owned),
            parameters: serde
                .parameters()
                .into_iter()
                .flatten()
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect(),
        }),
        table_type: table.table_type().unwrap_or_default().to_owned(),
        open_table_format: if iceberg { OpenTableFormat::Iceberg } else { OpenTableFormat::None },
        parameters,
        tags,
    };
    Live { spec, outputs: outputs(database, table.name(), place), phase: Phase::Ready }
}

fn columns(columns: &[SdkColumn]) -> Vec<Column> {
    let column = |column: &SdkColumn| Column {
        name: column.name().to_owned(),
        data_type: column.r#type().unwrap_or_default().to_owned(),
        comment: column.comment().unwrap_or_default().to_owned(),
    };
    columns.iter().map(column).collect()
}

/// Glue and its readers write names and types in lower case, and no spaces in types.
fn respell(ours: &[Column], theirs: &mut [Column]) {
    let plain = |text: &str| text.replace(' ', "").to_lowercase();
    for (our, their) in ours.iter().zip(theirs) {
        if plain(&our.name) == plain(&their.name) {
            their.name.clone_from(&our.name);
        }
        if plain(&our.data_type) == plain(&their.data_type) {
            their.data_type.clone_from(&our.data_type);
        }
    }
}

impl GlueTable {
    fn check_columns(&self, flaws: &mut Vec<Flaw>) {
        let mut seen = BTreeSet::new();
        for (field, columns) in
            [("columns", &self.columns), ("partition_keys", &self.partition_keys)]
        {
            for (index, column) in columns.iter().enumerate() {
                let path = format!("{field}.{index}");
                if column.name.is_empty() || column.data_type.is_empty() {
                    let what = "a column has a name and a type";
                    flaws.push(Flaw::error(path, what));
                } else if !seen.insert(column.name.to_lowercase()) {
                    let what = format!("there are two columns called `{}`", column.name);
                    let hint = "a partition key is not also a column; case makes no difference";
                    flaws.push(Flaw::error(path, what).hint(hint));
                }
            }
        }
    }

    fn check_storage(&self, flaws: &mut Vec<Flaw>) {
        if literal(&self.location) && !self.location.is_empty() && !self.location.contains("://") {
            let what = format!("`{}` is not a location", self.location);
            flaws.push(Flaw::error("location", what).hint("as `s3://bucket/prefix/`"));
        }
        let library = self.serde.as_ref().and_then(|serde| serde.library.as_ref());
        let told = [
            ("input_format", self.input_format.as_ref()),
            ("output_format", self.output_format.as_ref()),
            ("serde.library", library),
        ];
        for (path, _) in told.iter().filter(|(_, class)| class.is_some() && self.format.is_some()) {
            let what = "`format` says it already: leave out one or the other";
            flaws.push(Flaw::error(*path, what));
        }
        if self.open_table_format == OpenTableFormat::None {
            if self.serde.is_some() && self.format.is_none() && library.is_none() {
                flaws.push(Flaw::error("serde.library", "write it, or a `format`"));
            }
            return;
        }
        if self.location.is_empty() {
            flaws.push(Flaw::error("location", "an Iceberg table needs a location"));
        }
        if self.table_type != external() {
            let what = "an Iceberg table is of type EXTERNAL_TABLE";
            flaws.push(Flaw::error("table_type", what));
        }
        for key in ["table_type", "metadata_location"] {
            if self.parameters.contains_key(key) {
                let what = format!("`{key}` is for Glue to write on an Iceberg table");
                flaws.push(Flaw::error(format!("parameters.{key}"), what));
            }
        }
        if self.format.is_some() || told.iter().any(|(_, class)| class.is_some()) {
            let what = "an Iceberg table has its format in its metadata: leave it out";
            flaws.push(Flaw::error("format", what));
        }
    }
}
