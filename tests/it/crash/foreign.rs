//! What of an AWS is not ours, kept as it is so that any change of it shows.

use std::collections::BTreeMap;

use serde_json::Value;

/// Each thing that somebody holds, as `kinesis/streams/ACCOUNT/REGION/NAME`; of a bucket, each
/// object.
#[derive(Debug, Default, Clone)]
pub struct Foreign(BTreeMap<[String; 3], Value>);

/// What AWS tells of things, and nobody's.
const TOLD: [(&str, &str); 3] = [
    ("cloudwatch", "metrics"),
    ("cloudwatch", "alarm_history"),
    ("iam", "aws_managed_attachment_counts"),
];
/// A function of others works on while we do: it takes messages and writes a log.
const WORK: [&str; 3] = ["messages", "streams", "LastProcessingResult"];
/// A new one becomes active by itself.
const PASSING: [&str; 2] = ["State", "LastUpdateStatus"];

impl Foreign {
    /// All that an AWS holds, by its image.
    pub fn of(told: &Value) -> Self {
        let mut found = BTreeMap::new();
        for (service, stores) in told.as_object().into_iter().flatten() {
            for (store, things) in stores.as_object().into_iter().flatten() {
                if TOLD.contains(&(service, store)) {
                    continue;
                }
                for (name, thing) in things.as_object().into_iter().flatten() {
                    let place = |name: &str| [service, store, name].map(str::to_owned);
                    if (service.as_str(), store.as_str()) == ("s3", "objects") {
                        let objects = thing.as_object().into_iter().flatten();
                        let each = objects.map(|(key, object)| (format!("{name}/{key}"), object));
                        found.extend(each.map(|(name, object)| (place(&name), object.clone())));
                    } else {
                        found.insert(place(name), lasting(thing));
                    }
                }
            }
        }
        Self(found)
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// How it differs from what is there now; what came beside it may be ours.
    pub fn changed(&self, told: &Value) -> Vec<String> {
        let now = Self::of(told);
        let each = self.0.iter().filter(|(place, was)| now.0.get(*place) != Some(was));
        each.map(|(place, was)| {
            let now = now.0.get(place).map_or("nothing".into(), Value::to_string);
            format!("{}: {was} / {now}", place.join("/"))
        })
        .collect()
    }

    /// And what came from one image to the next.
    pub fn extend(&mut self, before: &Value, after: &Value) {
        let before = Self::of(before);
        let new = Self::of(after).0.into_iter().filter(|(place, _)| !before.0.contains_key(place));
        self.0.extend(new);
    }

    /// Without the objects of a bucket.
    pub fn leave_out(&mut self, bucket: &str) {
        let within = format!("/{bucket}/");
        self.0.retain(|[_, store, name], _| store != "objects" || !name.contains(&within));
    }

    /// Takes it out of an image.
    pub fn take_from(&self, told: &mut Value) {
        for [service, store, name] in self.0.keys() {
            let Some(things) = told[service][store].as_object_mut() else { continue };
            things.remove(name);
            for (bucket, objects) in things.iter_mut().filter(|_| store == "objects") {
                let key = name.strip_prefix(bucket).and_then(|rest| rest.strip_prefix('/'));
                if let Some((key, objects)) = key.zip(objects.as_object_mut()) {
                    objects.remove(key);
                }
            }
        }
    }
}

fn lasting(thing: &Value) -> Value {
    let mut thing = thing.clone();
    if let Some(members) = thing.as_object_mut() {
        members.retain(|name, _| !WORK.contains(&name.as_str()));
    }
    if let Some(config) = thing.get_mut("config").and_then(Value::as_object_mut) {
        config.retain(|name, _| !PASSING.iter().any(|start| name.starts_with(start)));
    }
    thing
}
