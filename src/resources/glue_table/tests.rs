//! What Glue and its other writers make of a table, and what is sent back.

use aws_sdk_glue::types::{Column as SdkColumn, SerDeInfo, StorageDescriptor, Table};
use serde_json::{Value, json};

use super::*;
use crate::kind::{Mark, Owner, Severity};
use crate::plan::diff::diff;

fn place() -> Place {
    Place {
        partition: "aws".into(),
        account: "123456789012".into(),
        region: "eu-west-1".into(),
        owner: Owner::new("lake", "default", "eu-west-1"),
    }
}

fn table(spec: Value) -> GlueTable {
    let mut all = json!({"database": "lake", "name": "events"});
    all.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    serde_json::from_value(all).unwrap()
}

fn events() -> GlueTable {
    table(json!({
        "columns": [
            {"name": "id", "type": "string"},
            {"name": "place", "type": "struct<lat: double, lon: double>", "comment": "where"},
        ],
        "partition_keys": [{"name": "day", "type": "string"}],
        "location": "s3://lake/events/",
        "format": "parquet",
        "parameters": {"projection.enabled": "true"},
        "tags": {"team": "data", "pipeline:owner": "lake/default/eu-west-1", "pipeline:id": "e"},
    }))
}

/// What `input` sends, as `GetTable` answers it.
fn answered(spec: &GlueTable, live: Option<&Table>) -> Table {
    let input = spec.input(live, "test").unwrap();
    Table::builder()
        .name(input.name())
        .database_name("lake")
        .set_description(input.description.clone())
        .set_owner(input.owner.clone())
        .retention(input.retention())
        .set_storage_descriptor(input.storage_descriptor.clone())
        .set_partition_keys(input.partition_keys.clone())
        .set_table_type(input.table_type.clone())
        .set_parameters(input.parameters.clone())
        .version_id("1")
        .build()
        .unwrap()
}

fn with_parameters(mut table: Table, parameters: &[(&str, &str)]) -> Table {
    let all = table.parameters.get_or_insert_default();
    all.extend(parameters.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
    table
}

fn differences(spec: &GlueTable, found: &Table) -> Vec<String> {
    let mut live = read("lake", found, &place()).spec;
    spec.reconcile(&mut live);
    let value = |spec: &GlueTable| serde_json::to_value(spec).unwrap();
    diff(&value(spec), &value(&live), GlueTable::RULES).paths()
}

#[test]
fn what_is_written_reads_back_the_same() {
    for (case, spec) in [
        ("parquet", events()),
        ("nothing but a name", table(json!({}))),
        ("csv of its own", {
            let serde = json!({"parameters": {"separatorChar": ";"}});
            table(json!({"format": "csv", "serde": serde, "location": "s3://lake/x"}))
        }),
        ("classes", {
            let serde = json!({"library": "a.Serde", "parameters": {"x": "1"}});
            table(json!({"input_format": "a.In", "output_format": "a.Out", "serde": serde}))
        }),
        ("classification said", table(json!({"parameters": {"classification": "json"}}))),
    ] {
        assert_eq!(differences(&spec, &answered(&spec, None)), Vec::<String>::new(), "{case}");
    }
}

#[test]
fn what_crawlers_and_spark_add_is_no_difference() {
    let spec = events();
    let found = with_parameters(
        answered(&spec, None),
        &[
            ("UPDATED_BY_CRAWLER", "lake"),
            ("CrawlerSchemaSerializerVersion", "1.0"),
            ("recordCount", "17"),
            ("transient_lastDdlTime", "1700000000"),
            ("EXTERNAL", "TRUE"),
            ("spark.sql.sources.schema", "{}"),
        ],
    );
    assert_eq!(differences(&spec, &found), Vec::<String>::new());
    let found = with_parameters(found, &[("owner.by.hand", "x"), ("pipeline:tag:cost", "y")]);
    assert_eq!(differences(&spec, &found), ["parameters.owner.by.hand", "tags.cost"]);
}

#[test]
fn an_update_keeps_what_others_look_after_and_drops_what_nobody_does() {
    let spec = events();
    let mut found = with_parameters(
        answered(&spec, None),
        &[("recordCount", "17"), ("by.hand", "x"), ("pipeline:tag:gone", "y")],
    );
    found.owner = Some("hadoop".into());
    found.retention = 3;
    if let Some(storage) = &mut found.storage_descriptor {
        storage.number_of_buckets = 4;
        storage.columns.as_mut().unwrap()[0].parameters = Some([("a".into(), "b".into())].into());
    }
    let sent = spec.input(Some(&found), "test").unwrap();
    let parameters = sent.parameters().unwrap();
    let kept: Vec<_> = ["recordCount", "by.hand", "pipeline:tag:gone", "pipeline:tag:team"]
        .into_iter()
        .filter(|key| parameters.contains_key(*key))
        .collect();
    assert_eq!(kept, ["recordCount", "pipeline:tag:team"]);
    assert_eq!(parameters[OWNER_TAG], "lake/default/eu-west-1");
    assert_eq!(parameters["classification"], "parquet");
    assert_eq!((sent.owner(), sent.retention()), (Some("hadoop"), 3));
    let storage = sent.storage_descriptor().unwrap();
    assert_eq!(storage.number_of_buckets(), 4);
    assert_eq!(storage.columns()[0].parameters().unwrap()["a"], "b");
}

#[test]
fn another_format_is_another_set_of_classes() {
    let found = answered(&events(), None);
    let spec = GlueTable { format: Some(Format::Orc), ..events() };
    assert_eq!(differences(&spec, &found), ["format"]);
    let found = answered(&spec, Some(&found));
    assert_eq!(differences(&spec, &found), Vec::<String>::new());
    assert_eq!(found.parameters().unwrap()["classification"], "orc");
}

#[test]
fn spelling_is_no_difference_and_order_is() {
    let spec = GlueTable { location: "s3a://lake/events".into(), ..events() };
    let mut found = answered(&events(), None);
    let storage = found.storage_descriptor.as_mut().unwrap();
    let columns = storage.columns.as_mut().unwrap();
    columns[1].r#type = Some("STRUCT<lat:double,lon:double>".into());
    assert_eq!(differences(&spec, &found), Vec::<String>::new());
    found.storage_descriptor.as_mut().unwrap().columns.as_mut().unwrap().reverse();
    let paths = ["columns.0.comment", "columns.0.name", "columns.0.type"];
    assert_eq!(differences(&spec, &found)[..3], paths);
}

#[test]
fn a_table_that_somebody_else_made_reads_whole() {
    let column = SdkColumn::builder().name("line").r#type("string").build().unwrap();
    let serde = SerDeInfo::builder().serialization_library("a.Serde").build();
    let storage = StorageDescriptor::builder().columns(column).serde_info(serde).build();
    let found = Table::builder().name("raw").storage_descriptor(storage).build().unwrap();
    let live = read("lake", &found, &place());
    assert_eq!(live.phase, Phase::Ready);
    assert_eq!(live.outputs["arn"], "arn:aws:glue:eu-west-1:123456789012:table/lake/raw");
    assert_eq!(live.spec.identity(), Name::new("lake/raw"));
    assert_eq!((live.spec.format, live.spec.table_type.as_str()), (None, ""));
    assert_eq!(live.spec.columns[0].comment, "");
    assert!(live.spec.tags.is_empty());
}

#[test]
fn an_iceberg_table_keeps_its_metadata_and_refuses_another_schema() {
    let spec = table(json!({
        "columns": [{"name": "id", "type": "string"}],
        "location": "s3://lake/ice/",
        "open_table_format": "iceberg",
        "tags": {"team": "data"},
    }));
    assert!(spec.open_table_format_input("test").unwrap().is_some());
    let found = with_parameters(
        answered(&spec, None),
        &[("table_type", "ICEBERG"), ("metadata_location", "s3://lake/m.json"), ("any", "x")],
    );
    assert_eq!(differences(&spec, &found), Vec::<String>::new());
    let sent = spec.input(Some(&found), "test").unwrap();
    assert_eq!(sent.parameters().unwrap()["metadata_location"], "s3://lake/m.json");
    assert_eq!(sent.parameters().unwrap()["any"], "x");
    let rules = [];
    let column = json!({"columns": [{"name": "id", "type": "bigint"}]});
    let refused = diff(&column, &json!({"columns": []}), &rules);
    assert!(theirs_to_change(&refused).is_err_and(|fault| fault.message.contains("ALTER TABLE")));
    assert!(
        theirs_to_change(&diff(&json!({"tags": {}}), &json!({"tags": {"a": "b"}}), &rules)).is_ok()
    );
    let hive = GlueTable { open_table_format: OpenTableFormat::None, ..spec };
    assert_eq!(differences(&hive, &found), ["open_table_format"]);
    assert!(
        GlueTable::RULES.iter().any(|r| r.path == "open_table_format" && r.mark == Mark::Replace)
    );
}

#[test]
fn our_tables_are_told_by_their_parameters() {
    let found = answered(&events(), None);
    let ours = owned("lake", &found, "lake/default/eu-west-1").unwrap();
    assert_eq!((ours.id.as_str(), ours.identity.as_str()), ("e", "lake/events"));
    assert_eq!(owned("lake", &found, "lake/prod/eu-west-1"), None);
}

#[test]
fn what_glue_would_refuse_is_refused_before() {
    for (spec, path) in [
        (json!({}), None),
        (json!({"database": "${lake.name}", "location": "${bucket.uri}"}), None),
        (json!({"database": "Lake"}), Some("database")),
        (json!({"name": "Events"}), Some("name")),
        (json!({"location": "lake/events"}), Some("location")),
        (json!({"columns": [{"name": "", "type": "int"}]}), Some("columns.0")),
        (
            json!({"columns": [{"name": "day", "type": "int"}],
                   "partition_keys": [{"name": "Day", "type": "int"}]}),
            Some("partition_keys.0"),
        ),
        (json!({"format": "csv", "input_format": "x.Y"}), Some("input_format")),
        (json!({"format": "csv", "serde": {"library": "x.Y"}}), Some("serde.library")),
        (json!({"serde": {"parameters": {"a": "b"}}}), Some("serde.library")),
        (json!({"open_table_format": "iceberg"}), Some("location")),
        (
            json!({"open_table_format": "iceberg", "location": "s3://a/b", "format": "orc"}),
            Some("format"),
        ),
        (
            json!({"open_table_format": "iceberg", "location": "s3://a/b",
                   "parameters": {"table_type": "ICEBERG"}}),
            Some("parameters.table_type"),
        ),
        (json!({"parameters": {"pipeline:owner": "me"}}), Some("parameters")),
    ] {
        let flaws = table(spec.clone()).check();
        assert_eq!(flaws.first().map(|flaw| flaw.path.as_str()), path, "{spec}: {flaws:?}");
        assert!(flaws.iter().all(|flaw| flaw.severity == Severity::Error));
    }
}
