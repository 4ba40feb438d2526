//! The parts of the language that belong to no kind, as JSON Schema.

use serde_json::{Value, json};

use super::rules;

/// Keys of a resource that are the language's own.
pub(super) const META: [&str; 4] = ["kind", "depends_on", "protect", "ignore"];

pub(super) const RETRIES_MAX: u32 = 10;

fn scalar() -> Value {
    json!({ "type": ["string", "number", "boolean"] })
}

fn scalars() -> Value {
    json!({ "type": "object", "additionalProperties": scalar() })
}

/// A whole blueprint; what its resources hold is for their kinds to say.
pub(super) fn document() -> Value {
    let parts = json!({ "type": "object", "additionalProperties": { "type": "object" } });
    let mut properties = sections();
    properties["resources"] = parts.clone();
    properties["jobs"] = parts;
    json!({
        "type": "object",
        "properties": properties,
        "required": ["name", "region", "resources"],
        "additionalProperties": false,
    })
}

/// The top-level keys, all but `resources`.
pub(super) fn sections() -> Value {
    json!({
        "name": {
            "description": "Part of the owner tag that says whose things they are.",
            "type": "string",
        },
        "region": {
            "description": "The AWS region, as `eu-west-1`.",
            "type": "string",
        },
        "variables": {
            "description": "Values used as `${var.name}`, by name.",
            "type": "object",
            "additionalProperties": { "anyOf": [scalar(), variable(), { "type": "null" }] },
        },
        "environments": {
            "description": "What differs in each environment, by name; `--env` chooses one.",
            "type": "object",
            "additionalProperties": environment(),
        },
        "tags": {
            "description": "Tags of every resource.",
            "type": "object",
            "additionalProperties": { "type": "string" },
        },
        "artifacts": {
            "description": "The id of the s3-bucket that keeps scripts and records of runs.",
            "type": "string",
        },
        "jobs": {
            "description": "Spark jobs that run once the resources stand, by id.",
            "type": "object",
            "additionalProperties": job(),
        },
        "outputs": {
            "description": "Texts to show after an apply, by name.",
            "type": "object",
            "additionalProperties": scalar(),
        },
    })
}

fn variable() -> Value {
    json!({
        "type": "object",
        "properties": {
            "default": {
                "description": "Its value where none is given; without one, it must be given.",
                "type": ["string", "number", "boolean", "null"],
            },
            "allowed": {
                "description": "The values that it may have.",
                "type": "array",
                "items": scalar(),
                "minItems": 1,
            },
            "description": { "description": "What it is for, in words.", "type": "string" },
        },
        "additionalProperties": false,
    })
}

fn environment() -> Value {
    let overrides = |description: &str| {
        json!({
            "description": description,
            "type": "object",
            "additionalProperties": { "type": ["object", "null"] },
        })
    };
    json!({
        "type": ["object", "null"],
        "properties": {
            "variables": {
                "description": "Values of variables, in place of their defaults.",
                "type": "object",
                "additionalProperties": { "type": ["string", "number", "boolean", "null"] },
            },
            "tags": {
                "description": "Tags that are added or changed; `null` takes one away.",
                "type": "object",
                "additionalProperties": { "type": ["string", "null"] },
            },
            "region": { "description": "In place of the blueprint's.", "type": "string" },
            "resources": overrides("Fields that differ, by resource; one with a `kind` is added."),
            "jobs": overrides("Fields that differ, by job; one with a `kind` is added."),
        },
        "additionalProperties": false,
    })
}

/// What is said of `tags` where a kind has nothing to add.
pub(super) const TAGS: &str = "Tags of this resource, besides those of the blueprint.";

/// The language's own keys of a resource.
pub(super) fn meta() -> Value {
    json!({
        "kind": { "description": "What it is.", "type": "string" },
        "depends_on": {
            "description": "Ids of resources that must stand first, where no reference says so.",
            "type": "array",
            "items": { "type": "string" },
            "uniqueItems": true,
        },
        "protect": {
            "description": "Refuses deletion and replacement; the default for what holds data.",
            "type": "boolean",
        },
        "ignore": {
            "description": "Fields that are left to others, as `lifecycle.old`.",
            "type": "array",
            "items": { "type": "string" },
            "uniqueItems": true,
        },
    })
}

pub(super) fn job() -> Value {
    json!({
        "type": "object",
        "properties": {
            "kind": { "description": "What runs it.", "enum": ["spark"] },
            "cluster": {
                "description": "The id of the emr-cluster that it runs on.",
                "type": "string",
            },
            "script": { "description": "A file beside the blueprint.", "type": "string" },
            "args": {
                "description": "Arguments of the script.",
                "type": "array",
                "items": scalar(),
            },
            "conf": scalars_of("Spark's configuration, as `spark.executor.memory: 4g`."),
            "params": scalars_of("Parameters and their defaults, used as `${param.name}`."),
            "rules": rules::schema(),
            "after": {
                "description": "Ids of jobs that must have succeeded first.",
                "type": "array",
                "items": { "type": "string" },
                "uniqueItems": true,
            },
            "timeout": {
                "description": "How long it may run, as `2h`.",
                "type": "string",
                "pattern": "^[0-9]+[smhd]$",
            },
            "retries": {
                "description": "How often a failed run is tried again.",
                "type": "integer",
                "minimum": 0,
                "maximum": RETRIES_MAX,
                "default": 0,
            },
            "when": {
                "description": "When `apply` runs it: when it has changed, always, or never.",
                "enum": ["changed", "always", "manual"],
                "default": "changed",
            },
        },
        "required": ["kind", "cluster", "script"],
        "additionalProperties": false,
    })
}

fn scalars_of(description: &str) -> Value {
    let mut schema = scalars();
    schema["description"] = description.into();
    schema
}
