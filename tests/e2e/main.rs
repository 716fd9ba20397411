//! End to end: the deployed template on the emulator with every role enforced, the sandbox beside it, everything through
//! its public face. One environment for all of it, brought up on free ports and taken down at the end.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a suite fails by panicking")]

mod archive;
mod batches;
mod checkpoint;
mod doors;
mod evidence;
mod house;
mod humans;
mod ledger;
mod night;
mod roles;
mod signals;
mod stores;
mod terminations;
mod triggers;
mod watch;
mod ways_in;

use house::House;
use libtest_mimic::{Arguments, Failed, Trial};
use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
};

type Scenario = fn(Arc<House>) -> Pin<Box<dyn Future<Output = ()>>>;

macro_rules! scenarios {
    ($($module:ident :: $name:ident),* $(,)?) => {
        [$((concat!(stringify!($module), "::", stringify!($name)),
            (|house: Arc<House>| Box::pin($module::$name(house)) as Pin<Box<dyn Future<Output = ()>>>) as Scenario)),*]
    };
}

/// In this order, one after another: each has people of its own, and the last looks at what all of them used.
const SCENARIOS: &[(&str, Scenario)] = &scenarios![
    terminations::a_clean_termination_is_verified_in_every_system,
    terminations::a_dry_run_answers_with_the_plan_and_changes_nothing,
    terminations::a_flagged_system_waits_while_the_others_finish,
    terminations::a_failing_system_is_retried_then_given_to_its_owner,
    terminations::a_rate_limit_is_waited_out,
    terminations::a_case_that_was_recorded_and_not_started_is_started_by_the_sweep,
    terminations::a_case_whose_execution_died_gets_another_from_the_sweep,
    humans::each_flagged_system_runs_or_not_as_a_human_decides,
    humans::an_emergency_is_told_and_reviewed_by_somebody_else,
    humans::what_is_asked_for_is_decided_holds_and_gives_back,
    humans::the_brake_holds_who_comes_too_many_until_security_releases_them,
    batches::a_file_takes_everybody_in_it_through_to_the_end,
    ways_in::a_working_life_is_followed_event_by_event,
    ways_in::a_contract_that_is_over_ends_access,
    triggers::what_lies_ahead_is_listed_called_off_or_comes,
    triggers::a_part_goes_by_its_name_or_by_a_role_and_the_rest_stays,
    triggers::what_is_incomplete_is_tried_again_by_force,
    triggers::a_suspension_is_restored_and_a_leaver_hired_anew_over_the_api,
    triggers::a_contract_lasts_longer_where_grace_is_given,
    doors::the_webhook_refuses_what_the_contract_says_and_writes_nothing,
    doors::the_api_is_closed_without_a_good_token,
    doors::a_manager_sees_their_own_reports_only,
    doors::an_auditor_reads_and_changes_nothing,
    doors::events_tell_what_is_new_and_nothing_twice,
    doors::the_doctor_says_which_credential_is_rejected,
    signals::a_termination_is_told_to_the_bucket_and_to_the_receiver,
    archive::what_is_archived_is_what_its_manifest_says_and_a_hold_reaches_it,
    stores::every_write_is_conditional,
    stores::a_before_state_is_kept_once_whatever_its_size,
    stores::what_is_held_is_listed_as_long_as_it_is,
    stores::whoever_has_not_left_is_counted,
    stores::cases_are_found_by_their_person_and_by_their_time,
    stores::every_request_is_listed_and_the_most_urgent_first,
    stores::a_lane_is_moved_on_once_by_each,
    stores::whoever_comes_to_a_gathering_is_seen_by_all,
    stores::measures_are_due_in_the_order_of_their_time,
    batches::a_batch_is_kept_as_it_is_and_found_while_it_is_due,
    ledger::two_appenders_on_the_real_table_make_no_gap_no_fork_and_no_double,
    ledger::a_walk_goes_on_where_a_partition_ends,
    ledger::invocations_of_the_function_that_meet_lose_nothing,
    ledger::a_changed_row_is_named,
    checkpoint::a_checkpoint_covers_a_termination_within_ten_seconds,
    checkpoint::tiles_lead_from_the_rows_to_the_signed_root,
    checkpoint::what_was_published_cannot_be_taken_away,
    checkpoint::nobody_but_the_publisher_signs,
    night::rosters_and_orphans_are_kept_in_the_table,
    night::every_system_is_listed_and_what_is_nobodys_is_found,
    triggers::whoever_was_not_here_is_suspended_until_their_manager_lets_them_back,
    evidence::a_past_day_is_counted_and_stands_in_the_log,
    evidence::what_was_left_behind_is_sealed_by_the_sweep,
    evidence::an_auditor_takes_a_pack_away_and_checks_it_twice,
    evidence::only_auditors_and_security_may_have_a_pack_and_bad_periods_are_refused,
    watch::a_termination_is_read_again_a_day_later,
    watch::a_log_that_was_away_is_read_afterwards,
    watch::the_canary_is_let_go_its_credentials_are_refused_and_it_comes_back,
    roles::a_function_may_not_read_anothers_secret,
    roles::no_role_has_a_permission_that_nothing_used,
];

fn main() {
    let arguments = Arguments { test_threads: Some(1), ..Arguments::from_args() };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let wanted = |name: &str| match &arguments.filter {
        Some(filter) if arguments.exact => name == filter,
        Some(filter) => name.contains(filter.as_str()),
        None => true,
    };
    if arguments.list || !SCENARIOS.iter().any(|(name, _)| wanted(name)) {
        let trials = SCENARIOS.iter().map(|(name, _)| Trial::test(*name, || Ok(()))).collect();
        libtest_mimic::run(&arguments, trials).exit();
    }
    let house = Arc::new(runtime.block_on(House::up()));
    let runtime = Arc::new(Mutex::new(runtime));
    let trial = |(name, scenario): &(&str, Scenario)| {
        let (house, runtime, scenario) = (house.clone(), runtime.clone(), *scenario);
        Trial::test(*name, move || {
            let run = || {
                let runtime = runtime.lock().unwrap_or_else(PoisonError::into_inner);
                runtime.block_on(house.before());
                runtime.block_on(scenario(house.clone()));
                runtime.block_on(house.after());
            };
            catch_unwind(AssertUnwindSafe(run)).map_err(|_| Failed::from("see the panic above"))
        })
    };
    let conclusion = libtest_mimic::run(&arguments, SCENARIOS.iter().map(trial).collect());
    house.down(conclusion.has_failed());
    conclusion.exit();
}
