//! The blueprint of a history, part by part.

use serde_json::{Map, Value, json};

use crate::toys;
use crate::world::Resources;

use super::history::Edit;

/// One resource of a blueprint.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// Its id is `r` and this number.
    pub slot: u8,
    pub kind: usize,
    /// All its fields follow from this one.
    pub variant: u8,
    /// Its name is not its id.
    pub renamed: bool,
    /// Slots of what it refers to, if they come before it.
    pub refers: Vec<u8>,
}

impl Part {
    pub fn kind(&self) -> &'static str {
        toys::KINDS[self.kind].name()
    }

    pub fn id(&self) -> String {
        format!("r{}", self.slot)
    }

    pub fn name(&self) -> String {
        if self.renamed { format!("r{}b", self.slot) } else { self.id() }
    }

    fn on_demand(&self) -> bool {
        self.kind() == "cluster" && self.bit(2)
    }

    fn bit(&self, bit: u8) -> bool {
        self.variant & (1 << bit) != 0
    }

    /// What others may ask it for; of what is only there now and then, only its name.
    fn reference(&self, choice: u8) -> String {
        let outputs: &[&str] = match self.kind() {
            "key" => &["key_id", "arn"],
            "cluster" if self.on_demand() => &["name"],
            "cluster" | "disk" => &["id", "arn"],
            _ => &["arn", "name"],
        };
        format!("${{{}.{}}}", self.id(), outputs[choice as usize % outputs.len()])
    }

    fn fields(&self, refs: &[String]) -> Map<String, Value> {
        let first = refs.first().cloned();
        let some = || first.clone().unwrap_or_default();
        let number = u32::from(self.variant);
        let set: Vec<&str> = refs.iter().map(String::as_str).chain(["literal"]).collect();
        let name = self.name();
        let fields = match self.kind() {
            "role" => json!({"name": name, "trust": some(), "policies": set}),
            "key" => json!({"alias": name, "rotate": self.bit(0)}),
            "bucket" => json!({
                "name": name, "versioned": self.bit(0), "key": first, "readers": set,
                "rules": {"old": {"days": number}},
            }),
            "stream" => json!({
                "name": name, "key": first, "retention_hours": number,
                "mode": refs.get(1).cloned().unwrap_or_default(),
                "shards": self.bit(1).then_some(number),
            }),
            "cluster" => json!({
                "name": name, "size": number, "role": some(), "on_demand": self.on_demand(),
                "release": if self.bit(3) { "7" } else { "6" },
            }),
            "disk" => json!({
                "name": name, "size": number, "zone": if self.bit(0) { some() } else { "a".into() },
            }),
            _ => json!({
                "name": name, "threshold": f64::from(self.variant), "watches": refs,
                "subject": if self.bit(0) { some() } else { "s".into() },
                "dimensions": {first.clone().unwrap_or("d".into()): "1", "a": "b"},
            }),
        };
        fields.as_object().unwrap().clone()
    }
}

pub fn resources(parts: &[Part]) -> Resources {
    let each = parts.iter().enumerate().map(|(index, part)| {
        let earlier = parts[..index].iter().filter(|other| part.refers.contains(&other.slot));
        let refs: Vec<String> = earlier.map(|other| other.reference(part.variant)).collect();
        let mut fields = part.fields(&refs);
        fields.insert("kind".into(), part.kind().into());
        fields.insert("protect".into(), false.into());
        (part.id(), fields)
    });
    each.collect()
}

pub fn edit(parts: &mut Vec<Part>, edit: &Edit) {
    match edit {
        Edit::Put(part) => match parts.iter_mut().find(|other| other.slot == part.slot) {
            Some(other) => *other = part.clone(),
            None => parts.push(part.clone()),
        },
        Edit::Remove(slot) => parts.retain(|part| part.slot != *slot),
        Edit::Turn(by) if !parts.is_empty() => {
            let by = usize::from(*by) % parts.len();
            parts.rotate_left(by);
        }
        Edit::Turn(_) => {}
    }
}

/// A blueprint's own fields, with which somebody could have made a part.
pub fn plain(part: &Part) -> Map<String, Value> {
    part.fields(&[])
}
