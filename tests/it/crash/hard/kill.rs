//! Killed at every call, where nothing shows at once.

use super::super::family::Story;
use super::super::kill::{APPLY, DESTROY, JOB, REVIVAL, UPDATE, everywhere_in, flagship, with_job};
use super::super::scene::Mode;
use crate::e2e::Project;
use crate::e2e::machine::Machine;

fn hard(family: &str, story: Story, project: fn(&Machine) -> Project<'_>) {
    everywhere_in(Mode::Hard, &format!("{family}, in hard mode"), story, project);
}

#[test]
fn an_apply_killed_at_any_call_is_taken_up_where_aws_is_hard() {
    hard("apply, killed", APPLY, flagship);
}

#[test]
fn an_update_killed_at_any_call_is_taken_up_where_aws_is_hard() {
    hard("update, killed", UPDATE, flagship);
}

#[test]
fn a_destroy_killed_at_any_call_is_taken_up_where_aws_is_hard() {
    hard("destroy, killed", DESTROY, flagship);
}

#[test]
fn a_destroy_killed_at_any_call_is_undone_by_an_apply_where_aws_is_hard() {
    hard("destroy, killed, then apply", REVIVAL, flagship);
}

#[test]
fn a_job_is_neither_started_nor_submitted_twice_where_aws_is_hard() {
    hard("apply with a job, killed", JOB, with_job);
}
