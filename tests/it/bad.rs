//! Bad blueprints: every file of `tests/bad` has its problems beside it, as `pipeline validate`
//! prints them. `BLESS=1` writes them; read what it wrote.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use pipeline::blueprint::load::{Choice, load};
use pipeline::kind::Kind;
use pipeline::resources::KINDS;

use crate::specimens::TOYS;

pub fn kinds() -> Vec<&'static dyn Kind> {
    KINDS.iter().map(|driver| *driver as &dyn Kind).collect()
}

/// The specimens, and one real kind beside them.
pub fn specimens() -> Vec<&'static dyn Kind> {
    let stream = kinds().into_iter().filter(|kind| kind.name() == "kinesis-stream");
    stream.chain(TOYS.iter().copied()).collect()
}

/// Comments at the top of a file choose: `# --env prod`, `# --var shards=3`, `# --account 1`, and
/// `# --kinds specimens` for kinds that make no calls in place of the real ones.
fn choice(text: &str) -> (Choice, Vec<&'static dyn Kind>) {
    let (mut choice, mut kinds) = (Choice::default(), kinds());
    for flag in text.lines().map_while(|line| line.strip_prefix("# --")) {
        let (name, value) = flag.split_once(' ').expect("a flag and its value");
        match name {
            "env" => choice.environment = Some(value.into()),
            "account" => choice.account = Some(value.into()),
            "region" => choice.region = Some(value.into()),
            "var" => {
                let (name, value) = value.split_once('=').expect("name=value");
                choice.variables.insert(name.into(), value.into());
            }
            "kinds" => kinds = specimens(),
            other => panic!("no flag --{other}"),
        }
    }
    (choice, kinds)
}

fn problems(path: &Path) -> String {
    let text = fs::read_to_string(path).expect("a bad blueprint is text");
    let file = Path::new(path.file_name().expect("it has a name"));
    let (choice, kinds) = choice(&text);
    let found = match load(path, &text, &choice, &kinds) {
        Ok(loaded) => loaded.warnings,
        Err(found) => found,
    };
    let mut shown = String::new();
    for mut problem in found {
        problem.file = file.to_owned();
        writeln!(shown, "{problem}").expect("a string takes all");
    }
    let folder = path.parent().expect("it stands in a folder");
    shown.replace(&format!("{}/", folder.display()), "")
}

#[test]
fn every_bad_blueprint_has_its_problems_told() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bad");
    let bless = std::env::var_os("BLESS").is_some();
    let mut wrong = BTreeMap::new();
    let files = fs::read_dir(folder).expect("tests/bad is there");
    let mut files: Vec<_> = files.map(|entry| entry.expect("it can be read").path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    for path in files {
        let told = problems(&path);
        let beside = path.with_extension("txt");
        if bless {
            fs::write(&beside, &told).expect("tests/bad can be written");
        } else if fs::read_to_string(&beside).unwrap_or_default() != told {
            wrong.insert(path, told);
        }
    }
    let shown: String = wrong.iter().map(|(p, told)| format!("{}:\n{told}", p.display())).collect();
    assert!(wrong.is_empty(), "not as expected (BLESS=1 rewrites):\n{shown}");
}
