//! A resource of the blueprint: read, checked against its kind, brought into normal form.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::kind::place::{ID_TAG, OWNER_TAG};
use crate::kind::{Flaw, Kind, Normal, Owner, Severity};

use super::files::{digest, find};
use super::malformed::malformed;
use super::problem::{Finding, Problems};
use super::references::Scope;
use super::shape::{Subject, check, join};
use super::sheet::Sheet;
use super::spots::Spots;
use super::tree::{Entry, Spot, Tree, Yaml};
use super::{Id, Node, Protect};

/// What every resource of a blueprint has round it.
pub(super) struct Surroundings<'a> {
    pub file: &'a Path,
    pub scope: Scope<'a>,
    pub owner: &'a Owner,
    /// The blueprint's tags and the environment's.
    pub tags: &'a Tree,
}

/// A resource as far as it could be read.
pub(super) struct Draft {
    pub id: Id,
    pub spot: Spot,
    /// What it needs, and where it says so.
    pub needs: BTreeMap<Id, Spot>,
    pub spots: Spots,
    /// Only where nothing is wrong with it.
    pub node: Option<Node>,
}

/// Stands for an account that is not known, where a kind looks at what it is given.
pub(super) const SOME_ACCOUNT: &str = "000000000000";
const ACCOUNT: &str = "${account}";

/// Reads a resource whose variables are in place.
pub(super) fn read(
    entry: Entry,
    sheet: Option<&Sheet>,
    around: &Surroundings<'_>,
    problems: &mut Problems<'_>,
) -> Draft {
    let Entry { key, value: mut tree } = entry;
    let before = problems.errors();
    let id = Id::new(key.text.as_str());
    let mut found = around.scope.find(&tree, problems);
    let mut draft = Draft {
        id,
        spot: key.spot,
        needs: BTreeMap::new(),
        spots: Spots::of(&tree, key.spot, around.tags),
        node: None,
    };
    if let Some(sheet) = sheet {
        let subject =
            Subject { name: &format!("`{}`", key.text), what: &sheet.called, spot: key.spot };
        let misshapen = problems.errors();
        check(&mut tree, &sheet.schema, &subject, problems);
        let misshapen = problems.errors() > misshapen;
        let meta = Meta::take(&mut tree, sheet, around, problems);
        found.needs.extend(meta.depends_on.clone());
        let spec = spec(&tree, sheet, &draft, around, problems);
        if let Some(spec) = spec.filter(|_| !misshapen && !found.unsettled) {
            let normal = normal(sheet.kind, &spec, &draft, problems);
            draft.node = normal.filter(|_| problems.errors() == before).map(|normal| Node {
                kind: sheet.kind,
                identity: normal.identity,
                spec: normal.spec,
                needs: found.needs.keys().cloned().collect(),
                protect: meta.protect,
                ignore: meta.ignore,
                on_demand: normal.on_demand,
                at: key.spot.at(),
                fields: draft.spots.fields(),
            });
        }
    }
    draft.needs = found.needs;
    draft
}

/// The language's own keys of a resource.
struct Meta {
    depends_on: BTreeMap<Id, Spot>,
    protect: Protect,
    ignore: Vec<String>,
}

impl Meta {
    fn take(
        tree: &mut Tree,
        sheet: &Sheet,
        around: &Surroundings<'_>,
        problems: &mut Problems<'_>,
    ) -> Self {
        tree.take("kind");
        let protect = match tree.take("protect").map(|entry| entry.value.value) {
            Some(Yaml::Bool(true)) => Protect::Written,
            None if sheet.kind.holds_data() => Protect::ByDefault,
            _ => Protect::No,
        };
        let mut depends_on = BTreeMap::new();
        for item in tree.take("depends_on").iter().flat_map(|entry| entry.value.items()) {
            let Some(id) = item.text() else { continue };
            if around.scope.resources.contains_key(id) {
                depends_on.insert(Id::new(id), item.spot);
            } else {
                let (what, hint) = around.scope.nothing(id, problems);
                problems.add(Finding::error(item.spot, what).maybe(hint));
            }
        }
        let mut ignore = Vec::new();
        for item in tree.take("ignore").iter().flat_map(|entry| entry.value.items()) {
            let Some(path) = item.text() else { continue };
            if let Err((step, known)) = sheet.resolve(path) {
                let what = format!("{} has no field `{step}` to ignore", sheet.called);
                let (holder, last) = step.rsplit_once('.').unwrap_or(("", &step));
                let known: Vec<String> = known.iter().map(|name| join(holder, name)).collect();
                let known: Vec<&str> = known.iter().map(String::as_str).collect();
                let hint = problems.suggest(&join(holder, last), known, "its fields");
                problems.add(Finding::error(item.spot, what).maybe(hint));
            }
            ignore.push(path.to_owned());
        }
        Self { depends_on, protect, ignore }
    }
}

/// The kind's fields as JSON, with what the loader adds: tags, and the digests of files. None if
/// the files cannot be read.
fn spec(
    tree: &Tree,
    sheet: &Sheet,
    draft: &Draft,
    around: &Surroundings<'_>,
    problems: &mut Problems<'_>,
) -> Option<Value> {
    let mut spec = tree.to_json();
    let fields = spec.as_object_mut()?;
    if sheet.tagged {
        let own = tree.get("tags");
        own.into_iter().for_each(|tags| check_tags(tags, problems));
        let mut tags = serde_json::Map::new();
        for entry in around.tags.entries().iter().chain(own.map_or(&[][..], Tree::entries)) {
            if entry.value.text().is_some() {
                tags.insert(entry.key.text.clone(), entry.value.to_json());
            }
        }
        if tags.len() > TAGS_MAX {
            let what = format!("`tags` are more than {TAGS_MAX}");
            let hint = "AWS takes 50 tags, and two of them say whose the resource is";
            problems.add(Finding::error(draft.spots.of_path("tags"), what).hint(hint));
        }
        tags.insert(OWNER_TAG.into(), around.owner.to_string().into());
        tags.insert(ID_TAG.into(), draft.id.as_str().into());
        fields.insert("tags".into(), tags.into());
    }
    if let Some(source) = sheet.source {
        let Some(written) = tree.get(source.field).and_then(Tree::text) else { return Some(spec) };
        let spot = draft.spots.of_path(source.field);
        if written.contains("${var.") {
            return None; // The variable's own problem says it.
        }
        if written.contains("${") {
            let what =
                format!("`{}` is a path beside the blueprint, and nothing else", source.field);
            problems.add(Finding::error(spot, what).hint("write text and variables only"));
            return None;
        }
        let found = find(around.file, written, source.holds)
            .and_then(|path| digest(&path, source.holds).map(|digest| (path, digest)));
        match found {
            Ok((path, digest)) => {
                fields.insert(source.field.into(), path.to_string_lossy().into());
                fields.insert(source.digest.into(), digest);
            }
            Err(unusable) => {
                problems.add(unusable.finding(source.field, written, spot));
                return None;
            }
        }
    }
    Some(spec)
}

/// What AWS takes, less the two that say whose the resource is.
const TAGS_MAX: usize = 48;
const TAG_KEY_MAX: usize = 128;
const TAG_VALUE_MAX: usize = 256;

/// Tags that people write.
pub(super) fn check_tags(tags: &Tree, problems: &mut Problems<'_>) {
    for Entry { key, value } in tags.entries() {
        let lower = key.text.to_ascii_lowercase();
        for (prefix, whose) in [("aws:", "AWS"), ("pipeline:", "this program")] {
            if lower.starts_with(prefix) {
                let what =
                    format!("tag `{}`: what begins with `{prefix}` is kept for {whose}", key.text);
                problems.add(Finding::error(key.spot, what));
            }
        }
        if key.text.is_empty() || key.text.chars().count() > TAG_KEY_MAX {
            let what = format!("a tag's name has 1 to {TAG_KEY_MAX} characters");
            problems.add(Finding::error(key.spot, what));
        }
        if value.text().is_some_and(|text| text.chars().count() > TAG_VALUE_MAX) {
            let what = format!("tag `{}` has more than {TAG_VALUE_MAX} characters", key.text);
            problems.add(Finding::error(value.spot, what));
        }
    }
}

/// The spec in normal form, with all that its kind finds wrong put in its place.
pub(super) fn normal(
    kind: &dyn Kind,
    spec: &Value,
    draft: &Draft,
    problems: &mut Problems<'_>,
) -> Option<Normal> {
    let checked = replaced(spec, ACCOUNT, SOME_ACCOUNT);
    let before = problems.errors();
    match kind.normalize(&checked) {
        Ok(normal) => {
            tell(&normal.flaws, draft, problems);
            let normal =
                if checked == *spec { normal } else { kind.normalize(spec).unwrap_or(normal) };
            (problems.errors() == before).then_some(normal)
        }
        Err(_) => {
            tell(&malformed(kind, checked), draft, problems);
            None
        }
    }
}

fn tell(flaws: &[Flaw], draft: &Draft, problems: &mut Problems<'_>) {
    for Flaw { path, what, hint, severity } in flaws {
        let spot = draft.spots.of_word(path, what, problems);
        let finding = match severity {
            Severity::Error => Finding::error(spot, what.as_str()),
            Severity::Warning => Finding::warning(spot, what.as_str()),
        };
        problems.add(finding.maybe(hint.clone()));
    }
}

fn replaced(value: &Value, from: &str, to: &str) -> Value {
    match value {
        Value::String(text) => text.replace(from, to).into(),
        Value::Array(items) => items.iter().map(|item| replaced(item, from, to)).collect(),
        Value::Object(map) => map
            .iter()
            .map(|(key, item)| (key.replace(from, to), replaced(item, from, to)))
            .collect(),
        other => other.clone(),
    }
}
