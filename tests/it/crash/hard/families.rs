//! The families again, where nothing shows at once.

use super::super::race::{Adversary, race};
use super::super::stories::{ABANDONED, APPLY, DESTROY, JOB, REVIVAL, SMALL, UPDATE};
use super::super::{fault, kill, stale};

#[test]
fn an_apply_killed_at_any_call_is_taken_up_where_aws_is_hard() {
    kill::everywhere(APPLY.hard());
}

#[test]
fn an_update_killed_at_any_call_is_taken_up_where_aws_is_hard() {
    kill::everywhere(UPDATE.hard());
}

#[test]
fn a_destroy_killed_at_any_call_is_taken_up_where_aws_is_hard() {
    kill::everywhere(DESTROY.hard());
}

#[test]
fn a_destroy_killed_at_any_call_is_undone_by_an_apply_where_aws_is_hard() {
    kill::everywhere(REVIVAL.hard());
}

#[test]
fn a_job_is_neither_started_nor_submitted_twice_where_aws_is_hard() {
    kill::everywhere(JOB.hard());
}

#[test]
fn an_apply_killed_at_any_call_of_its_job_is_taken_away_by_a_destroy_where_aws_is_hard() {
    kill::everywhere(ABANDONED.hard());
}

#[test]
fn two_applies_killed_one_after_the_other_are_taken_up_where_aws_is_hard() {
    kill::twice(SMALL.hard());
}

#[test]
fn an_apply_goes_on_after_every_fault_where_aws_is_hard() {
    fault::everywhere(APPLY.hard());
}

#[test]
fn an_update_goes_on_after_every_fault_where_aws_is_hard() {
    fault::everywhere(UPDATE.hard());
}

#[test]
fn a_destroy_goes_on_after_every_fault_where_aws_is_hard() {
    fault::everywhere(DESTROY.hard());
}

#[test]
fn a_job_goes_on_after_every_fault_where_aws_is_hard() {
    fault::everywhere(JOB.hard());
}

#[test]
fn an_apply_gets_over_old_answers_where_aws_is_hard() {
    stale::views(APPLY.hard());
}

#[test]
fn an_update_gets_over_old_answers_where_aws_is_hard() {
    stale::views(UPDATE.hard());
}

#[test]
fn a_destroy_gets_over_old_answers_where_aws_is_hard() {
    stale::views(DESTROY.hard());
}

#[test]
fn an_apply_that_does_not_see_what_a_killed_one_made_comes_to_the_same_end_where_aws_is_hard() {
    stale::unseen(APPLY.hard());
}

#[test]
fn an_apply_that_does_not_see_a_killed_ones_cluster_comes_to_the_same_end_where_aws_is_hard() {
    stale::unseen(JOB.hard());
}

#[test]
fn two_first_applies_at_once_come_to_the_same_end_as_one_where_aws_is_hard() {
    race(APPLY.hard(), 2, Adversary::Nobody);
}

#[test]
fn four_first_applies_at_once_come_to_the_same_end_as_one_where_aws_is_hard() {
    race(APPLY.hard(), 4, Adversary::Nobody);
}

#[test]
fn two_updates_at_once_come_to_the_same_end_as_one_where_aws_is_hard() {
    race(UPDATE.hard(), 2, Adversary::Nobody);
}

#[test]
fn two_applies_at_once_run_a_job_once_where_aws_is_hard() {
    race(JOB.hard(), 2, Adversary::Nobody);
}

#[test]
fn two_updates_without_their_lock_come_to_the_same_end_as_one_where_aws_is_hard() {
    race(UPDATE.hard(), 2, Adversary::Unlocks);
}

#[test]
fn four_updates_without_their_lock_come_to_the_same_end_as_one_where_aws_is_hard() {
    race(UPDATE.hard(), 4, Adversary::Unlocks);
}

#[test]
fn two_applies_without_their_lock_run_a_job_once_where_aws_is_hard() {
    race(JOB.hard(), 2, Adversary::Unlocks);
}
