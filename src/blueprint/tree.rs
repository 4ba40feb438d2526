//! A YAML document with the place of every key and value.

use std::ops::Range;

use serde_json::{Map, Number, Value};

use super::At;

/// Where a key or a value stands in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spot {
    /// Lines and columns count from 1.
    pub line: u32,
    pub column: u32,
    /// The bytes of the file.
    pub from: u32,
    pub to: u32,
}

impl Default for Spot {
    fn default() -> Self {
        Self { line: 1, column: 1, from: 0, to: 0 }
    }
}

impl Spot {
    pub fn range(self) -> Range<usize> {
        self.from as usize..self.to as usize
    }

    pub fn at(self) -> At {
        At { line: self.line, column: self.column }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Tree {
    pub spot: Spot,
    pub value: Yaml,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Yaml {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Tree>),
    Map(Vec<Entry>),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub key: Key,
    pub value: Tree,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    pub text: String,
    pub spot: Spot,
}

impl Tree {
    pub fn empty_map(spot: Spot) -> Self {
        Self { spot, value: Yaml::Map(Vec::new()) }
    }

    pub fn entries(&self) -> &[Entry] {
        match &self.value {
            Yaml::Map(entries) => entries,
            _ => &[],
        }
    }

    pub fn items(&self) -> &[Tree] {
        match &self.value {
            Yaml::List(items) => items,
            _ => &[],
        }
    }

    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key.text == key)
    }

    pub fn get(&self, key: &str) -> Option<&Tree> {
        self.entry(key).map(|entry| &entry.value)
    }

    pub fn entry_mut(&mut self, key: &str) -> Option<&mut Entry> {
        match &mut self.value {
            Yaml::Map(entries) => entries.iter_mut().find(|entry| entry.key.text == key),
            _ => None,
        }
    }

    /// Adds an entry to a map.
    pub fn insert(&mut self, entry: Entry) {
        if let Yaml::Map(entries) = &mut self.value {
            entries.push(entry);
        }
    }

    /// Takes the entry out of a map.
    pub fn take(&mut self, key: &str) -> Option<Entry> {
        let Yaml::Map(entries) = &mut self.value else { return None };
        let index = entries.iter().position(|entry| entry.key.text == key)?;
        Some(entries.remove(index))
    }

    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Yaml::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn is_null(&self) -> bool {
        self.value == Yaml::Null
    }

    /// A scalar as text: `5`, `true`, and a text as it is.
    pub fn scalar(&self) -> Option<String> {
        match &self.value {
            Yaml::Text(text) => Some(text.clone()),
            Yaml::Bool(value) => Some(value.to_string()),
            Yaml::Number(number) => Some(number.to_string()),
            Yaml::Null | Yaml::List(_) | Yaml::Map(_) => None,
        }
    }

    pub fn to_json(&self) -> Value {
        match &self.value {
            Yaml::Null => Value::Null,
            Yaml::Bool(value) => (*value).into(),
            Yaml::Number(number) => Value::Number(number.clone()),
            Yaml::Text(text) => text.as_str().into(),
            Yaml::List(items) => items.iter().map(Self::to_json).collect(),
            Yaml::Map(entries) => {
                let pairs = entries.iter().map(|e| (e.key.text.clone(), e.value.to_json()));
                Value::Object(pairs.collect::<Map<_, _>>())
            }
        }
    }
}
