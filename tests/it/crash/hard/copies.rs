//! Many pipelines in one file: nothing is refused twice for its rate.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::super::lent::Lent;
use super::super::scene::{Mode, Scene};
use super::super::slice::report;
use crate::e2e::Project;
use crate::e2e::machine::Machine;

const COPIES: usize = 10;

/// The flagship several times in one file, under other names, without its job.
fn copies(folder: &Path) -> String {
    let text = fs::read_to_string(folder.join("clickstream.yaml")).expect("it is there");
    let (head, resources) = text.split_once("\nresources:\n").expect("it has resources");
    let (resources, _) = resources.split_once("\njobs:\n").expect("it has jobs");
    let resources = resources.replace("${process.request}", "the job");
    let ids: BTreeSet<&str> = resources.lines().filter_map(id).collect();
    let (head, rest) = head.split_once("\nenvironments:").expect("it has environments");
    let (_, tags) = rest.split_once("\ntags:").expect("it has tags");
    let tags = tags.lines().next().expect("they are on one line");
    let mut all = format!("{head}\ntags:{tags}\nresources:\n");
    all = all.replace("name: clickstream", "name: NAME");
    for copy in 0..COPIES {
        let mut text = resources
            .replace("clickstream-${var.stage}", &format!("NAME-{copy}-${{var.stage}}"))
            .replace("clickstream_${var.stage}", &format!("NAME_{copy}_${{var.stage}}"))
            .replace("/clickstream/", &format!("/NAME-{copy}/"));
        for id in &ids {
            text = text.replace(&format!("${{{id}."), &format!("${{{id}_{copy}."));
        }
        for line in text.lines() {
            match id(line) {
                Some(id) => all += &line.replacen(id, &format!("{id}_{copy}"), 1),
                None => all += line,
            }
            all.push('\n');
        }
    }
    all
}

/// What a line of a resource's own begins with.
fn id(line: &str) -> Option<&str> {
    let (id, _) = line.strip_prefix("  ")?.split_once(':')?;
    id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_').then_some(id)
}

fn pipelines(machine: &Machine) -> Project<'_> {
    let project = Project::flagship_on(machine, "copies");
    let blueprints = Path::new(env!("CARGO_MANIFEST_DIR")).join("blueprints");
    project.write("blueprint.yaml", &copies(&blueprints));
    project
}

#[test]
fn ten_pipelines_in_one_file_are_refused_nothing_twice_for_its_rate() {
    let machine = Lent::alone();
    let scene = Scene::in_mode(Mode::Hard, &machine, pipelines(&machine));
    let world = scene.hard.as_ref().expect("it is hard").world();
    for line in [
        "plan blueprint.yaml",
        "apply blueprint.yaml --no-run --yes",
        "plan blueprint.yaml --detailed-exitcode",
    ] {
        let run = scene.undisturbed(line);
        assert!(!run.hung && run.ended.code == Some(0), "{}", run.ended);
        report(&format!("{line}: refused for rate {:?}", world.refusals().0));
    }
    let (_, again) = world.refusals();
    assert!(again.is_empty(), "refused again: {again:?}");
}
