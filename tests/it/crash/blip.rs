//! The network is gone for a moment: whatever is under way then is lost, all at once.

use std::collections::BTreeMap;

use super::call::Call;
use super::lent::Lent;
use super::proxy::{Deed, Rule};
use super::scene::{Mode, Run, Scene};
use crate::e2e::Project;

/// Each has a dozen settings that are asked for at the same time.
const LAKES: usize = 12;
const PLAN: &str = "plan blueprint.yaml --detailed-exitcode";

/// Loses every call of a service the first times that it is sent.
struct Blip {
    service: &'static str,
    times: u32,
    sent: BTreeMap<String, u32>,
}

impl Rule for Blip {
    fn before(&mut self, call: &Call) -> Deed {
        if call.service != self.service {
            return Deed::Forward;
        }
        let sent = self.sent.entry(call.question()).or_default();
        *sent += 1;
        if *sent <= self.times { Deed::Close } else { Deed::Forward }
    }
}

fn blueprint() -> String {
    let head = "name: NAME\nregion: eu-west-1\nresources:\n";
    let lake = |n| format!("  lake{n}: {{ kind: s3-bucket, name: 'NAME-{n}-${{account}}' }}\n");
    (0..LAKES).map(lake).fold(head.to_owned(), |text, lake| text + &lake)
}

#[test]
fn however_many_calls_are_lost_at_once_each_is_sent_again() {
    let machine = Lent::take();
    let project = Project::on(&machine, "blip", &blueprint());
    let scene = Scene::in_mode(Mode::Mild, &machine, project);
    let well = |run: &Run| assert_eq!(run.ended.code, Some(0), "{}", run.ended);
    well(&scene.undisturbed("apply blueprint.yaml --yes"));
    for times in [1, 3] {
        let blip = Blip { service: "s3", times, sent: BTreeMap::new() };
        well(&scene.run(PLAN, vec![Box::new(blip)]));
    }
}
