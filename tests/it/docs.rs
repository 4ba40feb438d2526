//! The reference under `docs/kinds` and the published schema, made from the kinds themselves.
//! `BLESS=1 cargo test --test it docs` writes them; without it they are compared.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;

use pipeline::blueprint::Node;
use pipeline::blueprint::schema::schema;
use pipeline::blueprint::text::substitute;
use pipeline::kind::{Kind, Mark, Owner, Place};
use pipeline::resources::Resource;
use serde_json::Value;

use crate::glue_workflow::GlueWorkflow;
use crate::json_schema::resolve;
use crate::kinds::{example, kinds, root};
use crate::links::slug;

const COMMAND: &str = "BLESS=1 cargo test --test it docs";
/// Keys of a resource that belong to no kind; docs/blueprint.md tells of them.
const META: [&str; 4] = ["kind", "depends_on", "protect", "ignore"];

/// More do not make a title.
const PATHS_IN_TITLE: usize = 3;

/// Every generated file, by its path below the root.
fn generated() -> BTreeMap<String, String> {
    let published = schema(&kinds());
    let mut files = BTreeMap::new();
    files.insert("docs/blueprint.schema.json".into(), format!("{published:#}\n"));
    files.insert("docs/kinds/README.md".into(), index(&published));
    for kind in kinds() {
        let path = format!("docs/kinds/{}.md", kind.name());
        files.insert(path, Page { kind, schema: &published }.text());
    }
    files
}

#[test]
fn the_reference_is_what_the_kinds_say() {
    let bless = std::env::var_os("BLESS").is_some();
    let files = generated();
    let mut stale = Vec::new();
    for (path, text) in &files {
        let file = root().join(path);
        if bless {
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, text).unwrap();
        } else if fs::read_to_string(&file).unwrap_or_default() != *text {
            stale.push(path.clone());
        }
    }
    for entry in fs::read_dir(root().join("docs/kinds")).unwrap() {
        let path = format!("docs/kinds/{}", entry.unwrap().file_name().to_string_lossy());
        if !files.contains_key(&path) {
            stale.push(format!("{path}, which no kind has"));
        }
    }
    assert!(stale.is_empty(), "stale: {}\n`{COMMAND}` writes them", stale.join(", "));
}

#[test]
fn the_walk_through_shows_a_kind_that_compiles_and_reads_its_example() {
    let page = fs::read_to_string(root().join("docs/adding-a-kind.md")).unwrap();
    let file = fs::read_to_string(root().join("tests/it/glue_workflow.rs")).unwrap();
    // In the page it stands where the other kinds stand.
    let file =
        file.replace("pipeline::resources::", "super::").replace("use pipeline::", "use crate::");
    assert!(
        page.contains(&format!("```rust\n{file}```")),
        "docs/adding-a-kind.md shows another kind"
    );
    let written = page.split("```yaml\n").nth(1).and_then(|text| text.split("```").next()).unwrap();
    let example: Value = serde_saphyr::from_str(written).unwrap();
    let mut spec = example["resources"]["nightly"].clone();
    let kind = spec.as_object_mut().unwrap().remove("kind");
    assert_eq!(kind, Some(GlueWorkflow::KIND.into()));
    let workflow: GlueWorkflow = serde_json::from_value(spec).unwrap();
    assert_eq!(workflow.check(), []);
}

fn index(published: &Value) -> String {
    let mut out = format!("<!-- Generated: `{COMMAND}` writes it. -->\n\n# Kinds of resources\n\n");
    out += "What a resource of a blueprint can be, in the order in which they are made where nothing \
            else orders them.\n\n| kind | what it is | holds data |\n| --- | --- | --- |\n";
    for kind in kinds() {
        let told = described(&published["$defs"][kind.name()]);
        let told = told.split(". ").next().unwrap_or_default().trim_end_matches('.');
        let data = if kind.holds_data() { "yes" } else { "" };
        writeln!(out, "| [`{0}`]({0}.md) | {told} | {data} |", kind.name()).unwrap();
    }
    out += "\nOne that holds data is protected unless the blueprint says `protect: false`: see \
            [protect](../blueprint.md#protect).\n\n## How to read the pages\n\n\
            - A field without *required* may be left out; then it has its default, or, where there is \
            none, AWS decides and nothing is compared.\n\
            - A *set* is a list whose order means nothing; the order of a *list* counts.\n\
            - In a path, `*` stands for any key of a map or any place in a list.\n\
            - *Replaces*: AWS cannot change the field in place, so another value means another resource.\n\
            - *Write-only*: AWS does not tell the field's value, so it is sent and never compared.\n\
            - *Secret*: the value is never shown.\n";
    out
}

/// The page of one kind.
struct Page<'a> {
    kind: &'static dyn Kind,
    schema: &'a Value,
}

/// Fields that stand together, and the paths at which they do: many fields may share them.
struct Section<'a> {
    key: String,
    paths: Vec<String>,
    schema: &'a Value,
}

impl<'a> Page<'a> {
    fn text(&self) -> String {
        let name = self.kind.name();
        let own = &self.schema["$defs"][name];
        let mut out = format!("<!-- Generated: `{COMMAND}` writes it. -->\n\n# {name}\n\n");
        writeln!(out, "{}\n", own["description"].as_str().unwrap_or_default()).unwrap();
        if self.kind.holds_data() {
            out += "It holds data, so it is protected unless the blueprint says `protect: false`: see \
                    [protect](../blueprint.md#protect).\n\n";
        }
        if self.kind.retires().is_some() {
            out += "A replacement is made beside the old one, which is drained and ended once its \
                    successor stands.\n\n";
        }
        let (_, text, _) = example(self.kind);
        writeln!(out, "```yaml\n{text}```\n").unwrap();
        let mut sections =
            vec![Section { key: name.into(), paths: vec![String::new()], schema: own }];
        let mut next = 0;
        while next < sections.len() {
            self.gather(next, &mut sections);
            next += 1;
        }
        for section in &sections {
            out += &self.section(section, &sections);
        }
        out + &self.outputs()
    }

    /// Adds what the fields of one section hold.
    fn gather(&self, of: usize, sections: &mut Vec<Section<'a>>) {
        let Section { paths, schema, .. } = &sections[of];
        let (paths, schema) = (paths.clone(), *schema);
        for (field, below) in fields(schema) {
            for path in &paths {
                self.holders(below, &join(path, field), None, &mut |key, path, schema| {
                    let key = key.map_or_else(|| path.to_owned(), str::to_owned);
                    match sections.iter_mut().find(|section| section.key == key) {
                        Some(known) if known.paths.iter().any(|p| path.starts_with(p)) => {}
                        Some(known) => known.paths.push(path.to_owned()),
                        None => sections.push(Section { key, paths: vec![path.into()], schema }),
                    }
                });
            }
        }
    }

    /// Every schema with fields of its own that a field's schema leads to.
    fn holders(
        &self,
        schema: &'a Value,
        path: &str,
        key: Option<&str>,
        found: &mut dyn FnMut(Option<&str>, &str, &'a Value),
    ) {
        if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
            if !is_stand_in(schema) && !target.ends_with(".Policy") {
                self.holders(resolve(self.schema, target), path, Some(target), found);
            }
        } else if let Some(forms) = schema.get("anyOf").and_then(Value::as_array) {
            forms.iter().for_each(|form| self.holders(form, path, None, found));
        } else if let Some((field, below)) = only(schema).filter(|_| key.is_none()) {
            self.holders(below, &join(path, field), None, found);
        } else if schema.get("properties").is_some() {
            found(key, path, schema);
        } else if let Some(below) = schema.get("items").or(schema.get("additionalProperties")) {
            self.holders(below, &join(path, "*"), None, found);
        }
    }

    fn section(&self, section: &Section<'_>, sections: &[Section<'_>]) -> String {
        let mut out = match title(section) {
            title if title.is_empty() => {
                "## Fields\n\nEvery resource also has `kind`, `depends_on`, `protect` and `ignore`: see \
                 [resources](../blueprint.md#resources).\n\n"
                    .to_owned()
            }
            title => format!("### {title}\n\n"),
        };
        if section.paths.len() > PATHS_IN_TITLE {
            writeln!(out, "In {}.\n", quoted(section.paths.iter(), ", ")).unwrap();
        }
        let told = described(section.schema);
        if !told.is_empty() && section.paths != [""] {
            writeln!(out, "{told}\n").unwrap();
        }
        out += "| field | type | default | what it is |\n| --- | --- | --- | --- |\n";
        for (field, schema) in fields(section.schema) {
            let required = listed(section.schema, "required").any(|name| name == field);
            let default = match (required, schema.get("default")) {
                (true, _) => "*required*".into(),
                (false, Some(default)) => self.default(default, schema, sections),
                (false, None) => String::new(),
            };
            let told = self.told(field, schema, section);
            let sort = self.sort(schema, sections);
            writeln!(out, "| `{field}` | {sort} | {default} | {told} |").unwrap();
        }
        out + "\n"
    }

    fn default(&self, default: &Value, schema: &Value, sections: &[Section<'_>]) -> String {
        match default {
            Value::Null => String::new(),
            Value::Object(map) if map.is_empty() => "`{}`".into(),
            Value::Object(map) if map.get("Statement").is_some() => "no policy".into(),
            Value::Object(map) if self.linked(schema, sections).is_none() && map.len() == 1 => {
                format!("`{}`", map.keys().next().expect("there is one"))
            }
            Value::Object(_) => match self.linked(schema, sections) {
                Some(anchor) => format!("[its own](#{anchor})"),
                None => format!("`{default}`"),
            },
            Value::String(text) if text.is_empty() => "empty".into(),
            Value::String(text) => format!("`{text}`"),
            other => format!("`{other}`"),
        }
    }

    /// What is said of a field, and how it differs from others.
    fn told(&self, field: &str, schema: &Value, section: &Section<'_>) -> String {
        let mut told = described(schema);
        if told.is_empty() {
            told = self.target(schema).map(described).unwrap_or_default();
        }
        let values = self.values(schema);
        if !values.is_empty() {
            told = format!("{told} {values}");
        }
        for (mark, word) in
            [(Mark::Replace, "Replaces"), (Mark::WriteOnly, "Write-only"), (Mark::Secret, "Secret")]
        {
            let marked = |path: &&String| {
                let path = join(path, field);
                self.kind.rules().iter().any(|rule| rule.mark == mark && rule.covers(&path))
            };
            let (at, others): (Vec<_>, Vec<_>) = section.paths.iter().partition(marked);
            if others.is_empty() {
                write!(told, " *{word}.*").unwrap();
            } else if at.len() > others.len() {
                write!(told, " *{word}*, but not in {}.", quoted(others, " and ")).unwrap();
            } else if !at.is_empty() {
                write!(told, " *{word}* in {}.", quoted(at, " and ")).unwrap();
            }
        }
        told.replace('|', "\\|").trim().to_owned()
    }

    /// What each of a field's words means, where they say it.
    fn values(&self, schema: &Value) -> String {
        let mut told = Vec::new();
        let mut open = vec![schema];
        while let Some(schema) = open.pop() {
            open.extend(self.target(schema));
            let forms = schema.get("anyOf").and_then(Value::as_array);
            for form in forms.into_iter().flatten().rev() {
                let word = form.pointer("/anyOf/0/const").or(form.get("const"));
                match (word.and_then(Value::as_str), described(form)) {
                    (Some(word), said) if !said.is_empty() => {
                        told.push(format!("`{word}`: {said}"))
                    }
                    _ => open.push(form),
                }
            }
        }
        told.sort();
        told.join(" ")
    }

    fn target(&self, schema: &Value) -> Option<&'a Value> {
        let target = schema.get("$ref")?.as_str()?;
        (!is_stand_in(schema)).then(|| resolve(self.schema, target))
    }

    /// The anchor of the section that tells of a field's own fields.
    fn linked(&self, schema: &Value, sections: &[Section<'_>]) -> Option<String> {
        let target = schema.get("$ref")?.as_str()?;
        sections.iter().find(|section| section.key == target).map(anchor)
    }

    /// The sort of value, in words.
    fn sort(&self, schema: &Value, sections: &[Section<'_>]) -> String {
        let mut words = Vec::new();
        self.sorts(schema, sections, &mut words);
        words.dedup();
        match words.split_last() {
            Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
            _ => words.concat(),
        }
    }

    fn sorts(&self, schema: &Value, sections: &[Section<'_>], words: &mut Vec<String>) {
        if is_stand_in(schema) {
            return;
        }
        if let Some(anchor) = self.linked(schema, sections) {
            return words.push(format!("[map](#{anchor})"));
        }
        if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
            return match target.rsplit(['.', '/']).next() {
                Some("Duration") => words.push("duration".into()),
                Some("DurationOrNone") => words.push("duration or `none`".into()),
                Some("Policy") => words.push("policy document".into()),
                _ => self.sorts(resolve(self.schema, target), sections, words),
            };
        }
        if let Some(forms) = schema.get("anyOf").and_then(Value::as_array) {
            return forms.iter().for_each(|form| self.sorts(form, sections, words));
        }
        let constants = schema.get("const").into_iter().chain(list(schema, "enum"));
        let constants: Vec<_> =
            constants.filter_map(Value::as_str).map(|word| format!("`{word}`")).collect();
        if !constants.is_empty() {
            return words.extend(constants);
        }
        if let Some((field, below)) = only(schema) {
            let below = self.sort(below, sections);
            return words.push(format!("`{field}`: {below}"));
        }
        let item = |key: &str| {
            let item = schema.get(key).filter(|item| item.is_object());
            item.map_or_else(|| "anything".to_owned(), |item| self.sort(item, sections))
        };
        let set = schema.get("uniqueItems").is_some();
        let types: Vec<_> = match schema.get("type") {
            Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
            one => one.and_then(Value::as_str).into_iter().collect(),
        };
        if types == ["string", "number", "boolean"] {
            return words.push("text, number, true or false".into());
        }
        words.extend(types.iter().filter_map(|name| match *name {
            "string" => Some("text".into()),
            "integer" => Some("whole number".into()),
            "number" => Some("number".into()),
            "boolean" => Some("true or false".into()),
            "array" if set => Some(format!("set of {}", item("items"))),
            "array" => Some(format!("list of {}", item("items"))),
            "object" if schema.get("additionalProperties").is_none() => Some("map".into()),
            "object" => Some(format!("map of {}", item("additionalProperties"))),
            _ => None,
        }));
    }

    fn outputs(&self) -> String {
        let (_, _, desired) = example(self.kind);
        let place = Place {
            partition: "aws".into(),
            account: "123456789012".into(),
            region: desired.region.clone(),
            owner: Owner::new(&desired.name, &desired.environment, &desired.region),
        };
        let predict = |node: &Node, spec: &Value| node.kind.predict(spec, &place);
        let others: BTreeMap<_, _> = desired
            .nodes
            .iter()
            .map(|(id, node)| (id.clone(), predict(node, &node.spec)))
            .collect();
        let mut nodes = desired.nodes.iter();
        let (id, node) = nodes.find(|(_, node)| node.kind.name() == self.kind.name()).unwrap();
        let known = predict(node, &substitute(node.kind, &node.spec, &others).unwrap());
        let mut out = "## Outputs\n\n| reference | in the example |\n| --- | --- |\n".to_owned();
        for output in self.kind.outputs() {
            let value = known.get(*output).filter(|value| !value.contains("${"));
            let value =
                value.map_or_else(|| "known once it is made".into(), |value| format!("`{value}`"));
            writeln!(out, "| `${{{id}.{output}}}` | {value} |").unwrap();
        }
        out
    }
}

/// A variable or a reference, which may stand for any value.
fn is_stand_in(schema: &Value) -> bool {
    let target = schema.get("$ref").and_then(Value::as_str);
    target.is_some_and(|target| ["#/$defs/variable", "#/$defs/reference"].contains(&target))
}

/// The field of a form that has but one, as `delimited` of `delimited: ","`.
fn only(schema: &Value) -> Option<(&str, &Value)> {
    let fields = schema.get("properties")?.as_object()?;
    let required = schema.get("required")?.as_array()?;
    let (name, field) = fields.iter().next()?;
    (fields.len() == 1 && required.len() == 1).then_some((name, field))
}

fn list<'v>(schema: &'v Value, key: &str) -> impl Iterator<Item = &'v Value> + use<'v> {
    schema.get(key).and_then(Value::as_array).into_iter().flatten()
}

fn listed<'v>(schema: &'v Value, key: &str) -> impl Iterator<Item = &'v str> + use<'v> {
    list(schema, key).filter_map(Value::as_str)
}

/// The fields of a kind or of a map in it: first those that must be written.
fn fields(schema: &Value) -> Vec<(&str, &Value)> {
    let all = schema.get("properties").and_then(Value::as_object);
    let own = |name: &str| !(META.contains(&name) && all.is_some_and(|all| all.len() > 4));
    let find = |name: &'_ str| all.and_then(|all| all.get_key_value(name));
    let first: Vec<_> = listed(schema, "required").filter_map(find).collect();
    let rest = all.into_iter().flatten();
    let rest = rest.filter(|(name, _)| !first.iter().any(|(required, _)| required == name));
    let rest: Vec<_> = rest.filter(|(name, _)| own(name)).collect();
    first.into_iter().chain(rest).map(|(name, field)| (name.as_str(), field)).collect()
}

/// The paths, or, where they are many, the name of what they have in common.
fn title(section: &Section<'_>) -> String {
    if section.paths.len() > PATHS_IN_TITLE {
        return section.key.rsplit('.').next().unwrap_or_default().to_owned();
    }
    quoted(section.paths.iter().filter(|path| !path.is_empty()), ", ")
}

fn quoted<'p>(paths: impl IntoIterator<Item = &'p String>, between: &str) -> String {
    paths.into_iter().map(|path| format!("`{path}`")).collect::<Vec<_>>().join(between)
}

fn anchor(section: &Section<'_>) -> String {
    slug(&title(section))
}

fn described(schema: &Value) -> String {
    let told = schema.get("description").and_then(Value::as_str).unwrap_or_default();
    told.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn join(path: &str, step: &str) -> String {
    if path.is_empty() { step.to_owned() } else { format!("{path}.{step}") }
}
