//! The flagship in hard mode, and that each behaviour shows.

use super::super::scene::{Mode, Run, Scene};
use crate::e2e::Project;
use crate::e2e::machine::Machine;

const APPLY: &str = "apply blueprint.yaml --env prod --no-run --yes";
const PLAN: &str = "plan blueprint.yaml --env prod --detailed-exitcode";
const DESTROY: &str = "destroy blueprint.yaml --env prod --yes --delete-data";

#[track_caller]
fn well(run: &Run) {
    assert!(!run.hung && run.ended.code == Some(0), "{}", run.ended);
}

#[test]
fn the_flagship_settles_where_aws_is_hard() {
    let machine = Machine::start();
    let scene = Scene::in_mode(Mode::Hard, &machine, Project::flagship_on(&machine, "hard"));
    for line in [APPLY, PLAN] {
        let began = std::time::Instant::now();
        well(&scene.undisturbed(line));
        println!("{line}: {:?}", began.elapsed());
    }
    let world = scene.hard.as_ref().expect("it is hard").world();
    println!("{:#?}\n{:?}", world.struck(), world.refusals());
    let again = scene.undisturbed(APPLY);
    well(&again);
    assert_eq!(again.writes().count(), 0);
    let began = std::time::Instant::now();
    well(&scene.undisturbed(DESTROY));
    println!("{DESTROY}: {:?}", began.elapsed());
    println!("{:#?}\n{:?}", world.struck(), world.refusals());
}
