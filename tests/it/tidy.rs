//! The rules of the house that a program can check, as data, and the program.

mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use pipeline::resources;

use source::{Source, paths, sources};

/// Who may import whom. `cli` and the roots may import everything; nobody imports `cli`.
const LAYERS: &[(&str, &[&str])] = &[
    ("kind", &[]),
    ("folder", &[]),
    ("blueprint", &["folder", "kind"]),
    ("plan", &["blueprint", "kind"]),
    ("cloud", &["blueprint::text", "kind", "plan::diff"]),
    ("observe", &["blueprint", "cloud", "kind", "plan"]),
    ("apply", &["blueprint", "cloud", "kind", "observe", "plan"]),
    ("jobs", &["apply", "blueprint", "cloud", "kind", "observe", "plan"]),
    (
        "report",
        &[
            "apply",
            "blueprint",
            // Values that it renders.
            "cloud::CREDENTIALS",
            "cloud::Class",
            "cloud::Depth",
            "cloud::Fault",
            "cloud::Message",
            "cloud::Move",
            "cloud::NO_ANSWER",
            "cloud::Progress",
            "cloud::State",
            "cloud::Waited",
            "observe::Unknown",
            "jobs",
            "kind",
            "lock::Lock",
            "lock::Loss",
            "plan",
            "status",
            "traffic",
        ],
    ),
    ("lock", &["blueprint::text", "cloud", "kind", "plan::diff"]),
    ("status", &["blueprint", "cloud", "jobs", "kind"]),
    ("traffic", &["cloud"]),
    ("aws", &["cloud", "kind"]),
    (
        "resources",
        &["aws", "blueprint::text", "cloud", "folder", "kind", "plan::diff", "status::reading"],
    ),
    ("local", &[]),
];

/// Words that only some files may say.
const WORDS: &[(&str, &[&str])] = &[
    ("println!", &["report"]),
    ("eprintln!", &["report"]),
    ("print!", &["report"]),
    ("eprint!", &["report"]),
    ("dbg!", &[]),
    ("indicatif", &["report"]),
    ("aws_sdk_", &["resources", "aws"]),
    ("serde_saphyr", &["blueprint"]),
    // `local` waits for its own server to start and to end.
    (
        "sleep(",
        &[
            "apply/converge.rs",
            "aws/calls.rs",
            "aws/pace.rs",
            "cli/signals.rs",
            "jobs",
            "local/mod.rs",
            "lock/lease.rs",
            "traffic",
        ],
    ),
    ("env::var(", &["cli", "aws", "local"]),
    (".unwrap()", &[]),
    ("todo!", &[]),
    ("unimplemented!", &[]),
    ("panic!", &[]),
    ("#[allow(", &[]),
    ("#![allow(", &[]),
];

/// Words that a module never says: the planner and what it rests on are pure.
const NEVER: &[(&str, &[&str])] = &[
    ("plan", &["async", "tokio", "futures_util", "std::time", "std::fs", "std::env", "Instant"]),
    ("kind", &["async", "tokio", "futures_util", "std::time", "std::fs", "std::env", "Instant"]),
    ("resources", &["tokio"]),
];

const FILE_LINES: usize = 500;
const FUNCTION_LINES: usize = 70;
const COLUMNS: usize = 100;

/// Modules of `resources` that know every kind.
const NOT_KINDS: &[&str] = &["mod", "account", "readings"];

/// Modules of `resources` that hold what several kinds of one service share, and know no kind.
const SERVICES: &[&str] = &["cloudwatch", "glue", "s3"];

fn layers(source: &Source, kinds: &BTreeSet<String>) -> Vec<String> {
    let module = source.module();
    let Some(top) = module.first() else { return Vec::new() };
    let mut wrong = Vec::new();
    for path in paths(source) {
        let named = path.join("::");
        let Some(target) = path.first() else { continue };
        if target == top {
            let other = |name: &&String| kinds.contains(*name) && Some(*name) != module.get(1);
            let kind = module
                .get(1)
                .is_some_and(|name| kinds.contains(name) || SERVICES.contains(&&**name));
            if top == "resources" && kind && path.get(1).filter(other).is_some() {
                wrong.push(format!("{}: a kind may not import another, {named}", source.path));
            }
            continue;
        }
        let allowed = LAYERS.iter().find(|(layer, _)| layer == top).map(|(_, allowed)| *allowed);
        let fits =
            |allowed: &&str| named == **allowed || named.starts_with(&format!("{allowed}::"));
        let anything = top == "cli";
        if !anything && !allowed.is_some_and(|allowed| allowed.iter().any(fits)) {
            wrong.push(format!("{}: {top} may not import {named}", source.path));
        }
    }
    wrong
}

/// Whether the code says the word, not only as the end of a longer one.
fn says(line: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(start, _)| {
        let before = line[..start].chars().last().is_some_and(part);
        let after = line[start + word.len()..].chars().next().is_some_and(part);
        let (starts, ends) = (word.starts_with(part), word.ends_with(|c| part(c) && c != '_'));
        !(starts && before || ends && after)
    })
}

fn words(source: &Source) -> Vec<String> {
    let code = source.code();
    let only = WORDS.iter().filter(|(_, places)| !source.is_in(places)).map(|(word, _)| *word);
    let never = NEVER.iter().filter(|(place, _)| source.is_in(&[place]));
    let all: Vec<&str> = only.chain(never.flat_map(|(_, words)| words.iter().copied())).collect();
    let mut wrong = Vec::new();
    for (number, line) in code.lines().enumerate() {
        for word in all.iter().filter(|word| says(line, word)) {
            wrong.push(format!("{}:{}: says `{word}`", source.path, number + 1));
        }
    }
    wrong
}

fn sizes(source: &Source) -> Vec<String> {
    let mut wrong = Vec::new();
    for (number, line) in source.text.lines().enumerate() {
        if line.chars().count() > COLUMNS {
            wrong.push(format!("{}:{}: longer than {COLUMNS} columns", source.path, number + 1));
        }
    }
    let code = source.code();
    let lines = code.trim_end().lines().count();
    if lines > FILE_LINES {
        wrong.push(format!("{}: {lines} lines, and {FILE_LINES} are enough", source.path));
    }
    for (start, _) in code.match_indices("fn ") {
        if code[..start].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let lines = function_lines(&code[start..]);
        if lines > FUNCTION_LINES {
            let name: String = code[start + 3..].chars().take_while(|c| *c != '(').collect();
            let what = format!("`{name}` has {lines} lines, and {FUNCTION_LINES} are enough");
            wrong.push(format!("{}: {what}", source.path));
        }
    }
    wrong
}

/// From `fn` to the end of its body; one line where it has none.
fn function_lines(code: &str) -> usize {
    let mut depth = 0_usize;
    for (index, c) in code.char_indices() {
        match c {
            ';' if depth == 0 => return 1,
            '{' => depth += 1,
            '}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return code[..=index].lines().count();
                }
            }
            _ => {}
        }
    }
    code.lines().count()
}

/// Files that no `mod` line leads to.
fn forgotten(sources: &[Source]) -> Vec<String> {
    let by_path: BTreeMap<&str, &Source> = sources.iter().map(|s| (s.path.as_str(), s)).collect();
    let mut reached = BTreeSet::new();
    let mut open = vec!["lib.rs".to_owned(), "main.rs".to_owned()];
    while let Some(path) = open.pop() {
        let Some(source) = by_path.get(path.as_str()) else { continue };
        if !reached.insert(path) {
            continue;
        }
        let code = source.code();
        let declared = code.lines().filter_map(|line| {
            let name = line.trim().strip_suffix(';')?.split_once("mod ")?;
            (name.0.is_empty() || name.0.starts_with("pub")).then_some(name.1)
        });
        let folder = source.module().join("/");
        for name in declared {
            let file = Path::new(&folder).join(name);
            open.push(format!("{}.rs", file.display()));
            open.push(format!("{}/mod.rs", file.display()));
        }
    }
    let paths = sources.iter().map(|source| &source.path);
    paths.filter(|path| !reached.contains(*path)).map(|path| format!("{path}: forgotten")).collect()
}

/// Modules of `resources` that are kinds.
fn kind_modules(sources: &[Source]) -> BTreeSet<String> {
    let modules = sources.iter().map(Source::module);
    let named = modules.filter(|module| module[..].first().is_some_and(|top| top == "resources"));
    named
        .filter_map(|module| module.get(1).cloned())
        .filter(|name| !NOT_KINDS.contains(&&**name) && !SERVICES.contains(&&**name))
        .collect()
}

/// The word of the blueprint, the file and the type are one name.
fn misnamed(sources: &[Source], kinds: &[&str]) -> Vec<String> {
    let modules = kind_modules(sources);
    let mut wrong = Vec::new();
    for kind in kinds {
        let module = kind.replace('-', "_");
        let camel: String = kind.split('-').map(capital).collect();
        let of = |source: &&Source| source.module() == ["resources", &module];
        match sources.iter().find(of) {
            None => wrong.push(format!("`{kind}` has no file resources/{module}.rs")),
            Some(file)
                if !says(&file.code(), &format!("pub struct {camel}"))
                    && !says(&file.code(), &format!("pub use spec::{camel}")) =>
            {
                wrong.push(format!("{}: has no `pub struct {camel}`", file.path));
            }
            Some(_) => {}
        }
    }
    let listed: BTreeSet<String> = kinds.iter().map(|kind| kind.replace('-', "_")).collect();
    wrong.extend(modules.difference(&listed).map(|name| format!("resources/{name}: not in KINDS")));
    wrong
}

fn capital(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(chars).collect()
}

#[test]
fn the_house_is_tidy() {
    let sources = sources();
    let kinds = kind_modules(&sources);
    let registered: Vec<&str> = resources::KINDS.iter().map(|kind| kind.name()).collect();
    let mut wrong = misnamed(&sources, &registered);
    wrong.extend(forgotten(&sources));
    let tests: Vec<String> = sources.iter().flat_map(Source::tests).collect();
    let tests: Vec<&str> = tests.iter().map(String::as_str).collect();
    for source in &sources {
        wrong.extend(sizes(source));
        if !source.is_in(&tests) {
            wrong.extend(layers(source, &kinds));
            wrong.extend(words(source));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_planted_import_is_found_however_it_is_written() {
    let kinds = BTreeSet::from(["kms_key".to_owned(), "s3_bucket".to_owned()]);
    for (path, text, expected) in [
        ("plan/diff.rs", "use crate::aws::Aws;", vec!["plan may not import aws::Aws"]),
        (
            "plan/mod.rs",
            "fn f() { crate::cloud::Fault::new() }",
            vec!["plan may not import cloud::Fault::new"],
        ),
        ("plan/mod.rs", "use super::aws;", vec!["plan may not import aws"]),
        ("plan/diff.rs", "use super::super::aws::Aws;", vec!["plan may not import aws::Aws"]),
        ("plan/diff.rs", "use super::order::order;", vec![]),
        ("plan/diff.rs", "// use crate::aws::Aws;\nconst A: &str = \"crate::aws\";", vec![]),
        ("plan/diff.rs", "fn f() {}\n#[cfg(test)]\nmod tests {\nuse crate::aws::Aws; }", vec![]),
        (
            "cloud.rs",
            "use crate::{\n    kind::Name,\n    plan::{Plan, diff::{Diff, Change as C}},\n    apply,\n};",
            vec!["cloud may not import apply", "cloud may not import plan::Plan"],
        ),
        (
            "report/json.rs",
            "use crate::cloud::{Cloud, Fault};",
            vec!["report may not import cloud::Cloud"],
        ),
        (
            "resources/kms_key.rs",
            "use super::s3_bucket::S3Bucket;",
            vec!["a kind may not import another, resources::s3_bucket::S3Bucket"],
        ),
        (
            "resources/s3.rs",
            "use super::s3_bucket::S3Bucket;",
            vec!["a kind may not import another, resources::s3_bucket::S3Bucket"],
        ),
        ("resources/s3_bucket/mod.rs", "use super::s3::head;", vec![]),
        ("resources/kms_key.rs", "use super::Resource;", vec![]),
        ("resources/s3_bucket/policy.rs", "use super::S3Bucket;", vec![]),
        (
            "resources/s3_bucket/policy.rs",
            "use super::super::kms_key::KmsKey;",
            vec!["a kind may not import another, resources::kms_key::KmsKey"],
        ),
        ("apply/mod.rs", "use crate::cli::Exit;", vec!["apply may not import cli::Exit"]),
        ("cli/plan.rs", "use crate::{aws::Aws, local};", vec![]),
        ("lib.rs", "pub use crate::aws::Aws;", vec![]),
    ] {
        let found = layers(&Source::new(path, text), &kinds);
        let expected: Vec<_> = expected.iter().map(|what| format!("{path}: {what}")).collect();
        assert_eq!(found, expected, "{text}");
    }
}

#[test]
fn a_planted_word_is_found_in_code_and_nowhere_else() {
    for (path, text, expected) in [
        ("apply/mod.rs", "println!(\"x\");", vec!["println!"]),
        ("report/terminal.rs", "println!(\"x\");", vec![]),
        ("apply/mod.rs", "eprint!(\"x\");", vec!["eprint!"]),
        ("apply/mod.rs", "// println!\nlet a = \"todo!\";", vec![]),
        (
            "apply/mod.rs",
            "let a = r#\"a \" todo!\"#; let b = '\"'; let c: &'a str = x.unwrap();",
            vec![".unwrap()"],
        ),
        ("plan/mod.rs", "use aws_sdk_s3::Client;", vec!["aws_sdk_"]),
        ("resources/s3_bucket.rs", "use aws_sdk_s3::Client;", vec![]),
        ("apply/converge.rs", "tokio::time::sleep(wait).await;", vec![]),
        ("apply/mod.rs", "tokio::time::sleep(wait).await;", vec!["sleep("]),
        ("apply/mod.rs", "unsleep(wait)", vec![]),
        ("kind/mod.rs", "async fn f() {}", vec!["async"]),
        ("plan/mod.rs", "use std::time::Instant;", vec!["std::time", "Instant"]),
        ("resources/s3_bucket.rs", "tokio::time::timeout(x)", vec!["tokio"]),
        ("apply/mod.rs", "#[allow(dead_code)]", vec!["#[allow("]),
        ("apply/mod.rs", "x.unwrap_or(1); panic!(); y.expect(\"why\")", vec!["panic!"]),
        ("apply/mod.rs", "fn f() {}\n#[cfg(test)]\nmod tests {\nfn g() { x.unwrap() } }", vec![]),
        ("apply/mod.rs", "#[cfg(test)]\nmod tests;\nfn g() { x.unwrap() }", vec![".unwrap()"]),
    ] {
        let found = words(&Source::new(path, text));
        let found: Vec<_> = found.iter().filter_map(|what| what.split('`').nth(1)).collect();
        assert_eq!(found, expected, "{path}: {text}");
    }
}

#[test]
fn a_module_that_only_tests_are_built_with_is_known_by_its_declaration() {
    let text = "mod find;\n#[cfg(test)]\nmod tests;\n#[cfg(test)]\nmod more {\n}";
    assert_eq!(Source::new("resources/kms_key/mod.rs", text).tests(), ["resources/kms_key/tests"]);
    assert!(Source::new("resources/kms_key/mod.rs", "mod tests;").tests().is_empty());
}

#[test]
fn a_planted_excess_is_found() {
    let body = "    let x = 1;\n";
    let function = |lines: usize| format!("fn long() {{\n{}}}\n", body.repeat(lines - 2));
    for (text, expected) in [
        (function(FUNCTION_LINES), 0),
        (function(FUNCTION_LINES + 1), 1),
        (format!("trait T {{\n    fn short();\n{body}}}\n"), 0),
        ("\n".repeat(FILE_LINES) + "x", 1),
        ("\n".repeat(FILE_LINES - 1) + "x", 0),
        ("\n".repeat(FILE_LINES - 1) + "x\n#[cfg(test)]\nmod tests {\n\n\n}", 0),
        ("x".repeat(COLUMNS), 0),
        ("ä".repeat(COLUMNS), 0),
        ("x".repeat(COLUMNS + 1), 1),
    ] {
        let found = sizes(&Source::new("plan/mod.rs", &text));
        assert_eq!(found.len(), expected, "{found:?}");
    }
}

#[test]
fn a_file_without_a_mod_line_and_a_kind_by_another_name_are_found() {
    let all = [
        Source::new("lib.rs", "pub mod plan; // the plan\nmod resources;"),
        Source::new("main.rs", "fn main() {}"),
        Source::new("plan/mod.rs", "pub(crate) mod diff;\n// mod order;"),
        Source::new("plan/diff.rs", ""),
        Source::new("plan/order.rs", ""),
        Source::new("resources/mod.rs", "mod account;\nmod kms_key;\nmod s3_bucket;"),
        Source::new("resources/account.rs", ""),
        Source::new("resources/kms_key.rs", "pub struct Key {}"),
        Source::new("resources/s3_bucket/mod.rs", "mod policy;\npub struct S3Bucket {}"),
        Source::new("resources/s3_bucket/policy.rs", ""),
        Source::new("resources/s3_bucket/rules.rs", ""),
    ];
    let lost = ["plan/order.rs: forgotten", "resources/s3_bucket/rules.rs: forgotten"];
    assert_eq!(forgotten(&all), lost);
    assert_eq!(
        misnamed(&all, &["kms-key", "log-group"]),
        [
            "resources/kms_key.rs: has no `pub struct KmsKey`",
            "`log-group` has no file resources/log_group.rs",
            "resources/s3_bucket: not in KINDS",
        ]
    );
    assert_eq!(misnamed(&all[8..], &["s3-bucket"]), Vec::<String>::new());
}
