//! One behavioural contract for every store.
//!
//! A behaviour is an async function over a store that is new. [`store_behaviours`] is the table of
//! them; one that is missing there is dead code, and the compiler says so. A store runs all of them
//! with one line, in a crate that has tokio:
//!
//! ```ignore
//! store_contract_suite!(Box::new(MemoryStore::new(WORKSPACE)));
//! ```
//!
//! The expression makes a store, or something that dereferences to one, anew for each test.
//! [`failovers`] are for stores that can fail over; how, each one's tests know.
//! [`random`] goes on from there, with sequences that nobody thought of.

mod accounts;
mod contents;
mod credentials;
pub mod failovers;
pub mod fixture;
mod idempotency;
mod keys;
mod leases;
mod ledger;
mod listing;
mod nodes;
mod prune;
pub mod random;
mod rotation;
pub mod upgrade;

/// Calls a macro with every behaviour, as `theme::name`, behind what was handed on.
#[macro_export]
macro_rules! store_behaviours {
    ([$($callback:tt)+] $($handed_on:tt)*) => {
        $($callback)+! { $($handed_on)*
            keys::a_new_key_is_answered_found_and_listed_alike
            keys::a_key_is_found_by_its_kind_only
            keys::a_hash_belongs_to_one_key
            keys::a_key_is_not_born_expired
            keys::a_patch_changes_what_it_names
            keys::an_expired_or_disabled_key_is_found
            keys::a_deleted_key_is_gone_with_its_charges_kept
            keys::the_last_key_that_can_manage_stays
            keys::the_first_management_key_is_made_once
            keys::secrets_that_were_brought_are_told
            rotation::both_secrets_work_until_the_grace_ends
            rotation::no_grace_ends_the_old_secret_at_once
            rotation::a_later_rotation_shortens_a_grace_and_never_extends_it
            rotation::a_rotated_key_is_one_key
            rotation::a_secret_that_was_used_before_is_refused
            idempotency::a_creation_is_replayed_for_a_day
            idempotency::a_creation_is_replayed_when_its_key_has_expired
            idempotency::another_body_is_told_apart
            idempotency::a_deleted_keys_creation_is_not_replayed
            idempotency::each_actor_has_its_own
            idempotency::a_failed_creation_is_not_remembered
            listing::each_order_is_total
            listing::pages_by_offset_and_by_cursor_hold_the_same
            listing::filters_hide_what_they_name
            listing::a_key_is_expired_from_its_moment_on
            listing::a_workspace_and_a_kind_are_lists_of_their_own
            listing::a_search_takes_every_character_as_it_is
            listing::a_cursor_keeps_its_place_when_its_key_is_gone
            listing::a_cursor_of_another_list_is_unknown
            ledger::a_charge_is_written_once
            ledger::another_charge_does_not_replace_the_first
            ledger::a_mark_is_raised_and_never_lowered
            ledger::a_mark_after_the_charge_changes_nothing
            ledger::a_charge_needs_no_mark
            ledger::a_charge_falls_into_the_windows_of_its_admission
            ledger::a_window_that_ended_counts_no_more_and_keeps_its_sum
            ledger::a_clock_that_goes_back_opens_no_window_again
            ledger::every_account_on_the_path_is_charged
            ledger::nothing_is_charged_to_nobody
            ledger::what_a_crash_left_marked_is_charged_once
            ledger::the_last_use_is_the_latest
            ledger::no_charge_is_above_its_reservation
            ledger::what_a_request_holds_is_raised_and_never_lowered
            ledger::every_text_of_a_row_is_written
            ledger::a_charge_without_its_texts_is_the_same_charge
            ledger::who_answered_is_known_with_the_charge
            ledger::what_nobody_said_is_absent
            leases::no_more_is_leased_than_the_limit_leaves
            leases::a_repeated_call_happens_once
            leases::a_charge_moves_out_of_its_lease
            leases::no_more_is_drawn_than_was_leased
            leases::what_is_ahead_of_need_is_a_share
            leases::what_is_wanted_elsewhere_is_recalled
            leases::a_window_that_is_not_open_grants_nothing
            leases::old_windows_and_other_kinds
            leases::a_closed_or_unlimited_account_grants_nothing
            accounts::the_installations_budget_is_one_like_a_keys
            accounts::a_new_budget_is_a_change
            accounts::credits_are_a_limit_from_the_first_on
            accounts::nobodys_account_is_not_found
            accounts::use_is_rolled_up_by_day_model_and_provider
            nodes::an_earlier_run_of_the_same_name_is_ended
            nodes::an_ended_run_writes_nothing
            nodes::a_silent_node_is_ended_by_others
            nodes::what_an_ended_run_had_is_free_again
            nodes::changes_are_numbered_and_told
            nodes::what_all_others_applied_is_told
            prune::changes_that_all_have_applied_go_after_a_day
            prune::who_missed_what_went_is_told
            prune::ended_runs_go_and_their_numbers_stay_used
            prune::an_ended_run_takes_nothing_away
            prune::no_call_is_made_again_when_its_lease_went
            prune::a_lease_that_was_spent_goes_and_one_that_was_not_stays
            prune::creations_are_forgotten_after_their_day
            prune::what_accounts_are_now_is_told
            contents::contents_are_kept_once
            contents::contents_of_a_deleted_key_are_not_told_nor_kept
            contents::contents_are_kept_for_a_time
            contents::contents_go_a_few_at_a_time
            credentials::a_credential_is_listed_as_it_was_made
            credentials::credentials_stand_in_the_order_in_which_they_are_tried
            credentials::a_patch_of_a_credential_changes_what_it_names
            credentials::a_credential_is_reserved_for_inference_keys_that_there_are
            credentials::a_deleted_credential_is_gone
            credentials::a_change_to_a_credential_is_told
            credentials::there_is_a_most_of_credentials
            credentials::a_kek_is_added_behind_the_newest
            credentials::a_kek_goes_when_nothing_is_under_it
        }
    };
}

/// Makes a test of every behaviour, each with a store of its own.
#[macro_export]
macro_rules! store_contract_suite {
    ($make:expr) => {
        $crate::store_behaviours! { [$crate::store_contract_tests] ($make) }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! store_contract_tests {
    (($make:expr) $($theme:ident::$behaviour:ident)*) => {$(
        #[tokio::test]
        async fn $behaviour() {
            let store = $make;
            $crate::store::contract::fixture::begin(&*store).await;
            $crate::store::contract::behaviours::$behaviour(&*store).await;
        }
    )*};
}

macro_rules! reach {
    ($($theme:ident::$behaviour:ident)*) => {
        /// Every behaviour by its name.
        pub mod behaviours {
            use crate::store::Store;
            $(
                pub async fn $behaviour(store: &dyn Store) {
                    super::$theme::$behaviour(store).await;
                }
            )*
        }
    };
}
store_behaviours! { [reach] }
