//! `live` spelled as the blueprint spells it, and without what is not the blueprint's to say. Pure.

use crate::kind::values::duration::Duration;
use crate::kind::values::key::same_key;

use super::spec::{EmrCluster, Fleet, Fleets, Group};
use super::words::{Application, Text, folder};
use super::write::plain;

pub fn reconcile(desired: &EmrCluster, live: &mut EmrCluster) {
    live.lifecycle = desired.lifecycle;
    spell(desired, live);
    group(&desired.primary, &mut live.primary);
    group(&desired.core, &mut live.core);
    task_groups(desired, live);
    fleets(&desired.fleets, &mut live.fleets);
    if desired.managed_scaling.is_on() {
        governed(desired, live);
    }
}

fn spell(desired: &EmrCluster, live: &mut EmrCluster) {
    for (want, have) in [
        (&desired.service_role, &mut live.service_role),
        (&desired.instance_profile, &mut live.instance_profile),
        (&desired.autoscaling_role, &mut live.autoscaling_role),
    ] {
        if plain(want) == plain(have) {
            have.clone_from(want);
        }
    }
    if folder(&desired.log_uri) == folder(&live.log_uri) {
        live.log_uri.clone_from(&desired.log_uri);
    }
    if same_key(&desired.log_key, &live.log_key) {
        live.log_key.clone_from(&desired.log_key);
    }
    // Hadoop is on every cluster, asked for or not.
    let hadoop = Application::new("Hadoop");
    if !desired.applications.contains(&hadoop) {
        live.applications.remove(&hadoop);
    }
}

/// `0.25` and `0.250` are one price.
pub fn group(desired: &Group, live: &mut Group) {
    let price = |bid: &Option<Text>| bid.as_ref().and_then(|b| b.as_str().parse::<f64>().ok());
    if price(&desired.bid_price).is_some_and(|want| price(&live.bid_price) == Some(want)) {
        live.bid_price.clone_from(&desired.bid_price);
    }
}

/// A group is never deleted, so one without nodes is as good as none.
fn task_groups(desired: &EmrCluster, live: &mut EmrCluster) {
    live.task.retain(|name, have| have.count > 0 || desired.task.contains_key(name));
    for (name, want) in &desired.task {
        match live.task.get_mut(name) {
            Some(have) if have.count == 0 && want.count == 0 => have.clone_from(want),
            Some(have) => group(want, have),
            None if want.count == 0 => {
                live.task.insert(name.clone(), want.clone());
            }
            None => {}
        }
    }
}

fn fleets(desired: &Fleets, live: &mut Fleets) {
    // A running cluster takes no core fleet and loses none: this difference is one that replaces.
    if desired.core.exists() != live.core.exists() {
        live.core.spot.timeout = Duration::seconds(0);
    }
    let (want, have) = (&desired.task, &mut live.task);
    let empty = have.on_demand_capacity == 0 && have.spot_capacity == 0;
    match (want.exists(), have.exists()) {
        // To come: how it is launched comes with it.
        (true, false) => {
            let none = Fleet::default();
            let (on_demand_capacity, spot_capacity, types) =
                (none.on_demand_capacity, none.spot_capacity, none.types);
            have.clone_from(&Fleet { on_demand_capacity, spot_capacity, types, ..want.clone() });
        }
        // Never deleted, so without capacity it is as good as none.
        (false, true) if empty => have.clone_from(want),
        // To be emptied: the types stay.
        (false, true) => {
            let (on_demand_capacity, spot_capacity) = (have.on_demand_capacity, have.spot_capacity);
            have.clone_from(&Fleet { on_demand_capacity, spot_capacity, ..want.clone() });
        }
        _ => {}
    }
}

/// Managed scaling chooses the sizes.
fn governed(desired: &EmrCluster, live: &mut EmrCluster) {
    if desired.core.exists() && live.core.exists() {
        live.core.count = desired.core.count;
    }
    for (name, want) in &desired.task {
        if let Some(have) = live.task.get_mut(name) {
            have.count = want.count;
        }
    }
    let Fleets { core, task, .. } = &mut live.fleets;
    for (want, have) in [(&desired.fleets.core, core), (&desired.fleets.task, task)] {
        if want.exists() && have.exists() {
            have.on_demand_capacity = want.on_demand_capacity;
            have.spot_capacity = want.spot_capacity;
        }
    }
}
