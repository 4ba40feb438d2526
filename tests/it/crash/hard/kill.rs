//! Killed at every call, where nothing shows at once.

use super::super::kill::everywhere;
use super::super::stories::{APPLY, DESTROY, JOB, REVIVAL, UPDATE};

#[test]
fn an_apply_killed_at_any_call_is_taken_up_where_aws_is_hard() {
    everywhere(APPLY.hard());
}

#[test]
fn an_update_killed_at_any_call_is_taken_up_where_aws_is_hard() {
    everywhere(UPDATE.hard());
}

#[test]
fn a_destroy_killed_at_any_call_is_taken_up_where_aws_is_hard() {
    everywhere(DESTROY.hard());
}

#[test]
fn a_destroy_killed_at_any_call_is_undone_by_an_apply_where_aws_is_hard() {
    everywhere(REVIVAL.hard());
}

#[test]
fn a_job_is_neither_started_nor_submitted_twice_where_aws_is_hard() {
    everywhere(JOB.hard());
}
