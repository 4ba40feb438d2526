//! What the kinds of the Glue Data Catalog share: names, listings, and parameters: the
//! blueprint's, other people's, and tags, for which Glue has no other place on a table.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_sdk_glue::Client;
use aws_sdk_glue::types::{Database, Table};

use crate::aws::{Aws, During, absent};
use crate::cloud::Fault;
use crate::kind::Flaw;
use crate::kind::place::{ID_TAG, OWNER_TAG};

pub const ABSENT: &[&str] = &["EntityNotFoundException"];
/// Pages of 100: a catalog longer than this is not walked to its end.
const PAGES: usize = 1000;
pub const PAGE: i32 = 100;

/// What crawlers, Athena, Hive, Spark, Trino and Iceberg write into parameters by themselves.
const FOREIGN: [&str; 41] = [
    "COLUMN_STATS_ACCURATE",
    "CrawlerSchemaDeserializerVersion",
    "CrawlerSchemaSerializerVersion",
    "EXTERNAL",
    "UPDATED_BY_CRAWLER",
    "averageRecordSize",
    "bucketing_version",
    "classification",
    "compressionType",
    "connectionName",
    "exclusions",
    "grokPattern",
    "has_encrypted_data",
    "last_modified_by",
    "last_modified_time",
    "metadata_location",
    "numFiles",
    "numPartitions",
    "numRows",
    "objectCount",
    "partitionKeys",
    "presto_query_id",
    "presto_version",
    "previous_metadata_location",
    "provider",
    "rawDataSize",
    "recordCount",
    "sizeKey",
    "skip.header.line.count",
    "snapshot-id",
    "table_type",
    "totalSize",
    "transactional",
    "transient_lastDdlTime",
    "trino_query_id",
    "trino_version",
    "typeOfData",
    "current-schema",
    "current-snapshot-id",
    "current-snapshot-summary",
    "current-snapshot-timestamp-ms",
];
const FOREIGN_STARTS: [&str; 3] = ["spark.sql.", "lakeformation.", "crawler."];
/// A tag other than the owner's two is kept under its key after this.
const TAG: &str = "pipeline:tag:";

pub fn foreign(key: &str) -> bool {
    FOREIGN.contains(&key) || FOREIGN_STARTS.iter().any(|start| key.starts_with(start))
}

/// Drops from `live` what others look after, unless the blueprint says it too.
pub fn without_foreign(ours: &BTreeMap<String, String>, live: &mut BTreeMap<String, String>) {
    live.retain(|key, _| ours.contains_key(key) || !foreign(key));
}

/// The parameter that keeps a tag.
pub fn of_tag(key: &str) -> String {
    if key == OWNER_TAG || key == ID_TAG { key.to_owned() } else { format!("{TAG}{key}") }
}

/// The tag that a parameter keeps, if it keeps one.
pub fn tag_of(parameter: &str) -> Option<&str> {
    let owners = parameter == OWNER_TAG || parameter == ID_TAG;
    if owners { Some(parameter) } else { parameter.strip_prefix(TAG) }
}

/// Whether two spellings are one place: the slash at the end and Hadoop's schemes say nothing.
pub fn same_location(one: &str, other: &str) -> bool {
    fn plain(location: &str) -> (&str, &str) {
        let (scheme, path) = location.split_once("://").unwrap_or(("", location));
        let scheme = if ["s3a", "s3n"].contains(&scheme) { "s3" } else { scheme };
        (scheme, path.trim_end_matches('/'))
    }
    plain(one) == plain(other)
}

/// Whether nothing in it waits for another resource.
pub fn literal(text: &str) -> bool {
    !text.contains("${")
}

/// Glue keeps names in lower case, and would answer with another name than was asked for.
pub fn lower_case(path: &str, name: &str) -> Option<Flaw> {
    if !literal(name) {
        return None;
    }
    if name.is_empty() || name.len() > 255 || name.contains('/') {
        let what = "a name in the catalog has 1 to 255 characters, and no `/`";
        return Some(Flaw::error(path, what));
    }
    let lower = name.to_lowercase();
    let what = format!("Glue keeps names in lower case, and `{name}` is not");
    (lower != name).then(|| Flaw::error(path, what).hint(format!("write `{lower}`")))
}

/// All databases of the catalog.
pub async fn databases(aws: &Aws) -> Result<Arc<Vec<Database>>, Fault> {
    let listing = async {
        let api = aws.client::<Client>();
        let (mut databases, mut next) = (Vec::new(), None);
        for _ in 0..PAGES {
            let call = api.get_databases().max_results(PAGE).set_next_token(next);
            let page = call.send().await.during("glue:GetDatabases")?;
            databases.extend_from_slice(page.database_list());
            next = page.next_token;
            if next.is_none() {
                break;
            }
        }
        Ok(databases)
    };
    aws.once(&aws.place.account, listing).await
}

/// All tables of a database; none if there is no such database.
pub async fn list(aws: &Aws, database: &str) -> Result<Arc<Vec<Table>>, Fault> {
    let listing = async {
        let api = aws.client::<Client>();
        let (mut tables, mut next) = (Vec::new(), None);
        for _ in 0..PAGES {
            let call = api.get_tables().database_name(database).set_next_token(next);
            let Some(page) = absent(call.send().await.during("glue:GetTables"), ABSENT)? else {
                break;
            };
            tables.extend_from_slice(page.table_list());
            next = page.next_token;
            if next.is_none() {
                break;
            }
        }
        Ok(tables)
    };
    aws.once(database, listing).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_comes_back_from_the_parameter_that_keeps_it() {
        for key in [OWNER_TAG, ID_TAG, "team", "pipeline:tag:x", "a b"] {
            assert_eq!(tag_of(&of_tag(key)), Some(key), "{key}");
        }
        for parameter in ["classification", "pipeline:other", "team"] {
            assert_eq!(tag_of(parameter), None, "{parameter}");
        }
    }

    #[test]
    fn locations_differ_by_more_than_their_spelling() {
        for (one, other, same) in [
            ("s3://a/b/", "s3://a/b", true),
            ("s3a://a/b", "s3n://a/b/", true),
            ("s3://a/b", "s3://a/b/c", false),
            ("", "", true),
            ("", "s3://a", false),
        ] {
            assert_eq!(same_location(one, other), same, "{one} {other}");
        }
    }

    #[test]
    fn names_are_in_lower_case() {
        for (name, accepted) in
            [("events", true), ("Events", false), ("", false), ("a/b", false), ("${db.name}", true)]
        {
            assert_eq!(lower_case("name", name).is_none(), accepted, "{name}");
        }
    }
}
