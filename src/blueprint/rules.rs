//! What a job's records must be like: the rules of each field, checked, as an argument of the job.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::files::{Holds, find};
use super::nearest::list;
use super::problem::{Finding, Problems};
use super::shape::{Subject, check};
use super::tree::{Entry, Spot, Tree, Yaml};
use super::yaml;

/// More is no map of rules: EMR would not take it as an argument.
const BYTES_MAX: u64 = 64 * 1024;

/// What limits each type of field takes.
const TYPES: [(&str, &[&str]); 5] = [
    ("text", &["min_length", "max_length", "allowed"]),
    ("number", &["min", "max", "allowed"]),
    ("integer", &["min", "max", "allowed"]),
    ("boolean", &[]),
    ("time", &["min", "max"]),
];
/// Where rules are written: in the blueprint, or in a file of their own, which has no variables.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Home {
    Blueprint,
    File,
}

const LIMITS: [&str; 5] = ["min", "max", "min_length", "max_length", "allowed"];

/// The `rules` of a job: a map, or the path of a file that holds it.
pub(super) fn schema() -> Value {
    json!({
        "description": "What each field of a record must be like; or the file that says so.",
        "anyOf": [{ "type": "string" }, fields()],
    })
}

fn fields() -> Value {
    let types: Vec<&str> = TYPES.iter().map(|(name, _)| *name).collect();
    let limit = |what: &str| {
        let description = format!("The {what} that a number or a time may be.");
        json!({ "description": description, "type": ["number", "string"] })
    };
    let length = |what: &str| {
        let description = format!("The {what} characters that a text may have.");
        json!({ "description": description, "type": "integer", "minimum": 0 })
    };
    let rule = json!({
        "type": "object",
        "properties": {
            "type": { "description": "What its value is.", "enum": types },
            "required": {
                "description": "Whether a record without it is rejected.",
                "type": "boolean",
                "default": true,
            },
            "min": limit("least"),
            "max": limit("most"),
            "min_length": length("fewest"),
            "max_length": length("most"),
            "allowed": {
                "description": "The values that it may have.",
                "type": "array",
                "items": { "type": ["string", "number"] },
                "minItems": 1,
                "uniqueItems": true,
            },
        },
        "required": ["type"],
        "additionalProperties": false,
    });
    json!({ "type": "object", "additionalProperties": rule })
}

/// The rules of a job whose shape was checked, as compact JSON.
pub(super) fn read(job: &Tree, blueprint: &Path, problems: &mut Problems<'_>) -> Option<String> {
    let Entry { key, value: written } = job.entry("rules")?;
    let before = problems.errors();
    let rules = match &written.value {
        Yaml::Text(path) => &from_file(path, written.spot, blueprint, problems)?,
        Yaml::Map(_) => {
            let mut found = Vec::new();
            judge(written, Home::Blueprint, key.spot, &mut found);
            found.into_iter().for_each(|finding| problems.add(finding));
            written
        }
        _ => return None,
    };
    (problems.errors() == before).then(|| rules.to_json().to_string())
}

/// What is wrong in the file is told at its name, with its place there.
fn from_file(
    written: &str,
    spot: Spot,
    blueprint: &Path,
    problems: &mut Problems<'_>,
) -> Option<Tree> {
    if written.contains("${") {
        if !written.contains("${var.") {
            let what = "`rules` is a path beside the blueprint, or a map";
            problems.add(Finding::error(spot, what).hint("write text and variables only"));
        }
        return None; // The variable's own problem says the rest.
    }
    let path = match find(blueprint, written, Holds::File) {
        Ok(path) => path,
        Err(unusable) => {
            problems.add(unusable.finding("rules", written, spot));
            return None;
        }
    };
    let long = fs::metadata(&path).is_ok_and(|found| found.len() > BYTES_MAX);
    let text = match fs::read_to_string(&path) {
        Ok(text) if !long => text,
        Ok(_) => {
            let what = format!("`rules` has at most {BYTES_MAX} bytes: {}", path.display());
            problems.add(Finding::error(spot, what));
            return None;
        }
        Err(error) => {
            let what = format!("`rules` cannot be read: {}: {error}", path.display());
            problems.add(Finding::error(spot, what));
            return None;
        }
    };
    let mut within = Problems::new(&path, &text);
    let mut rules = Tree::empty_map(Spot::default());
    match yaml::read(&text) {
        Ok(root) => {
            rules = root;
            let subject = Subject { name: "the file", what: "the file", spot: rules.spot };
            check(&mut rules, &fields(), &subject, &mut within);
            let mut found = Vec::new();
            judge(&rules, Home::File, rules.spot, &mut found);
            found.into_iter().for_each(|finding| within.add(finding));
        }
        Err(finding) => within.add(finding),
    }
    let sound = within.errors() == 0;
    for problem in within.finish() {
        let what = format!("{written}:{}:{}: {}", problem.at.line, problem.at.column, problem.what);
        problems.add(
            Finding { severity: problem.severity, ..Finding::error(spot, what) }
                .maybe(problem.hint),
        );
    }
    sound.then_some(rules)
}

/// What a schema cannot say of rules: that limits fit the type and each other.
fn judge(rules: &Tree, home: Home, spot: Spot, found: &mut Vec<Finding>) {
    if matches!(&rules.value, Yaml::Map(entries) if entries.is_empty()) {
        found
            .push(Finding::error(spot, "there are no rules").hint("write `field: { type: text }`"));
    }
    literal(rules, home, found);
    let prefix = if home == Home::Blueprint { "rules." } else { "" };
    for Entry { key, value: rule } in rules.entries() {
        let path = format!("{prefix}{}", key.text);
        let Some(of) = rule.get("type").and_then(Tree::text) else { continue };
        let Some((_, takes)) = TYPES.iter().find(|(name, _)| *name == of) else { continue };
        let before = found.len();
        for Entry { key, value } in rule.entries() {
            let limit = key.text.as_str();
            if LIMITS.contains(&limit) && !takes.contains(&limit) {
                let what = format!("`{path}.{limit}` is no limit of the type `{of}`");
                let hint = match takes {
                    [] => "it has no limits: leave it out".to_owned(),
                    _ => format!("its limits are {}", list(takes)),
                };
                found.push(Finding::error(key.spot, what).hint(hint));
            } else if matches!(limit, "min" | "max") {
                fits(value, of, &format!("{path}.{limit}"), found);
            } else if limit == "allowed" {
                value
                    .items()
                    .iter()
                    .for_each(|item| fits(item, of, &format!("{path}.allowed"), found));
            }
        }
        if found.len() == before {
            in_order(rule, &path, found);
        }
    }
}

/// Rules are read by the job as they stand: nothing in them is filled in.
fn literal(tree: &Tree, home: Home, found: &mut Vec<Finding>) {
    // A variable without a value is told elsewhere.
    let told = |text: &str| home == Home::Blueprint && text.contains("${var.");
    let open = |text: &str| text.contains("${") && !told(text);
    let mut tell = |spot| {
        let hint = match home {
            Home::Blueprint => "write values and variables only",
            Home::File => "write values only",
        };
        found.push(Finding::error(spot, "rules hold no references").hint(hint));
    };
    if tree.text().is_some_and(open) {
        tell(tree.spot);
    }
    for Entry { key, .. } in tree.entries().iter().filter(|entry| open(&entry.key.text)) {
        tell(key.spot);
    }
    tree.items().iter().for_each(|item| literal(item, home, found));
    tree.entries().iter().for_each(|entry| literal(&entry.value, home, found));
}

/// Whether a limit is a value that a field of the type can have.
fn fits(value: &Tree, of: &str, path: &str, found: &mut Vec<Finding>) {
    let (fits, expected) = match (of, &value.value) {
        ("number", written) => (matches!(written, Yaml::Number(_)), "a number"),
        ("integer", Yaml::Number(number)) => (!number.is_f64(), "a whole number"),
        ("integer", _) => (false, "a whole number"),
        ("text", written) => (matches!(written, Yaml::Text(_)), "text"),
        (_, Yaml::Text(text)) => (moment(text).is_some(), "a time, as `2013-01-15T10:00:00Z`"),
        (_, _) => (false, "a time, as `2013-01-15T10:00:00Z`"),
    };
    let Some(written) = value.scalar().filter(|_| !fits) else { return };
    if written.contains("${") {
        return; // That is told already.
    }
    let what = format!("`{path}` is {expected}, not `{written}`");
    let hint = match (of, &value.value) {
        ("text", _) => Some(format!("write it in quotes: \"{written}\"")),
        ("number" | "integer", Yaml::Text(text)) if text.parse::<f64>().is_ok() => {
            Some(format!("leave out the quotes: {written}"))
        }
        _ => None,
    };
    found.push(Finding::error(value.spot, what).maybe(hint));
}

fn in_order(rule: &Tree, path: &str, found: &mut Vec<Finding>) {
    for (low, high) in [("min", "max"), ("min_length", "max_length")] {
        let (Some(least), Some(most)) = (rule.get(low), rule.get(high)) else { continue };
        let reversed = match (&least.value, &most.value) {
            (Yaml::Number(least), Yaml::Number(most)) => least.as_f64() > most.as_f64(),
            (Yaml::Text(least), Yaml::Text(most)) => moment(least) > moment(most),
            _ => false,
        };
        if let (true, Some(most_written)) = (reversed, most.scalar()) {
            let what = format!("`{path}.{low}` is above `{path}.{high}`, {most_written}");
            found.push(Finding::error(least.spot, what));
        }
    }
}

/// A time as the jobs take it, UTC in ISO 8601: its parts in order of weight.
fn moment(text: &str) -> Option<(String, String)> {
    let text = text.strip_suffix('Z').or_else(|| text.strip_suffix("+00:00"))?;
    let (whole, fraction) = match text.split_once('.') {
        Some((whole, fraction)) if (1..=9).contains(&fraction.len()) => (whole, fraction),
        Some(_) => return None,
        None => (text, ""),
    };
    let shape: String = whole.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
    if shape != "9999-99-99T99:99:99" || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number = |from: usize, to: usize| whole[from..to].parse::<u32>().unwrap_or_default();
    let (year, month, day) = (number(0, 4), number(5, 7), number(8, 10));
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    let clock = number(11, 13) < 24 && number(14, 16) < 60 && number(17, 19) < 60;
    (year > 0 && (1..=days).contains(&day) && clock)
        .then(|| (whole.to_owned(), fraction.trim_end_matches('0').to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rules of one field `f`, as they stand in a blueprint.
    fn told(rule: &str) -> Vec<String> {
        let tree = yaml::read(&format!("f: {rule}")).expect("it is YAML");
        let mut found = Vec::new();
        judge(&tree, Home::File, Spot::default(), &mut found);
        found.into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn limits_fit_their_type() {
        for rule in [
            "{ type: text, min_length: 1, max_length: 1, allowed: [a, b] }",
            "{ type: number, min: -120, max: 1440.5, allowed: [1, 2.5] }",
            "{ type: integer, min: 0, max: 0, required: false }",
            "{ type: boolean, required: false }",
            "{ type: time, min: 2000-01-01T00:00:00Z, max: '2000-01-01T00:00:00.000+00:00' }",
        ] {
            assert_eq!(told(rule), Vec::<String>::new(), "{rule}");
        }
        for (rule, what) in [
            ("{ type: text, min: 1 }", "`f.min` is no limit of the type `text`"),
            ("{ type: boolean, allowed: [a] }", "`f.allowed` is no limit of the type `boolean`"),
            ("{ type: time, allowed: [a] }", "`f.allowed` is no limit of the type `time`"),
            ("{ type: number, max_length: 1 }", "`f.max_length` is no limit of the type `number`"),
            ("{ type: number, min: '1' }", "`f.min` is a number, not `1`"),
            ("{ type: integer, max: 1.5 }", "`f.max` is a whole number, not `1.5`"),
            ("{ type: text, allowed: [a, 1] }", "`f.allowed` is text, not `1`"),
            ("{ type: number, min: 2, max: 1 }", "`f.min` is above `f.max`, 1"),
            (
                "{ type: text, min_length: 2, max_length: 1 }",
                "`f.min_length` is above `f.max_length`, 1",
            ),
            ("{ type: text, allowed: ['${lake.name}'] }", "rules hold no references"),
            (
                "{ type: time, min: 2013-01-15 }",
                "`f.min` is a time, as `2013-01-15T10:00:00Z`, not `2013-01-15`",
            ),
            (
                "{ type: time, min: 2013-01-15T10:00:00.1Z, max: 2013-01-15T10:00:00Z }",
                "`f.min` is above `f.max`, 2013-01-15T10:00:00Z",
            ),
        ] {
            assert_eq!(told(rule), [what], "{rule}");
        }
    }

    #[test]
    fn times_are_those_that_the_job_takes() {
        for (text, is) in [
            ("2020-02-29T23:59:59Z", true),
            ("2000-02-29T00:00:00.123456789+00:00", true),
            ("2021-02-29T00:00:00Z", false),
            ("1900-02-29T00:00:00Z", false),
            ("2020-04-31T00:00:00Z", false),
            ("2020-00-01T00:00:00Z", false),
            ("2020-13-01T00:00:00Z", false),
            ("2020-01-00T00:00:00Z", false),
            ("0000-01-01T00:00:00Z", false),
            ("2020-01-01T24:00:00Z", false),
            ("2020-01-01T00:60:00Z", false),
            ("2020-01-01T00:00:60Z", false),
            ("2020-01-01T00:00:00", false),
            ("2020-01-01T00:00:00.Z", false),
            ("2020-01-01T00:00:00.1234567890Z", false),
            ("2020-01-01T00:00:00+09:00", false),
            ("2020-01-01 00:00:00Z", false),
            ("２０２０-01-01T00:00:00Z", false),
            ("", false),
        ] {
            assert_eq!(moment(text).is_some(), is, "{text}");
        }
    }
}
