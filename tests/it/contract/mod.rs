//! What every identity store promises, run against each of them (design/architecture.md "The store contract").
//!
//! A backend gives a fresh, empty store for each test, opens it again as another process would, and reaches around
//! Roster into it. [`contract_suite!`] makes a test of each promise.

mod access;
mod asked;
mod basics;
mod extremes;
mod failure;
mod fencing;
#[cfg(feature = "keycloak")]
pub mod keycloak;
mod looking;
mod ownership;
mod planning;
#[cfg(all(feature = "sqlite", feature = "postgres"))]
pub mod portals;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(any(feature = "postgres", feature = "keycloak"))]
#[path = "../../cli/retell.rs"]
mod retell;
#[cfg(any(feature = "postgres", feature = "keycloak"))]
mod round;
#[cfg(feature = "sqlite")]
mod sqlite;
mod world;

use async_trait::async_trait;
use roster::{
    model::{AccountKey, Email},
    plan::ObjectKey,
    store::{AuditReport, Store},
};

/// A store under test.
#[async_trait]
pub trait Backend: Send + Sync {
    /// Opens the store: the first time, and again as another process would.
    async fn open(&self) -> Box<dyn Store>;

    /// Opens the store only to look, if it is there.
    async fn look(&self) -> Option<Box<dyn Store>>;

    /// Checks its audit.
    async fn verify_audit(&self) -> AuditReport;

    /// Takes content away behind Roster's back; its mark stays.
    async fn delete(&self, account: &AccountKey, object: &ObjectKey);

    /// Puts in a member that nobody marked, with access.
    async fn insert_member(&self, account: &AccountKey, email: &Email);

    /// Changes something that people see of it, behind Roster's back.
    async fn change(&self, account: &AccountKey, object: &ObjectKey);
}

/// One test for each promise; `$fresh` is an expression that makes a [`Backend`] with an empty store.
macro_rules! contract_suite {
    ($fresh:expr) => {
        $crate::contract::contract_suite! { $fresh =>
            basics: what_was_applied_is_observed, what_was_applied_survives_reopening, a_scope_shows_its_members_only,
                repeating_a_batch_changes_nothing, removing_is_repeatable, titles_can_be_renamed,
                every_field_of_a_member_can_come_and_go, a_role_in_use_can_be_removed,
                an_account_goes_with_everything_in_it, an_account_with_something_in_it_stays,
                accounts_and_totals_are_told, every_account_is_told_whoevers_it_is, an_account_that_is_not_there_is_empty;
            extremes: unicode_quotes_and_slashes_survive, an_address_of_254_characters_fits,
                a_thousand_members_and_three_hundred_roles, the_largest_catalog_fits, a_catalog_without_sections_works;
            ownership: marks_and_fingerprints_are_observed, another_cluster_is_not_touched,
                another_clusters_account_is_not_entered, an_earlier_account_of_the_same_name_is_adopted_only,
                what_appears_meanwhile_is_not_overwritten, what_is_no_longer_ours_is_not_removed;
            failure: a_batch_for_other_sections_is_refused, one_refused_member_stands_alone,
                nothing_is_in_force_without_its_account, accounts_do_not_disturb_each_other, a_pass_that_is_dropped_leaves_all_or_nothing,
                counted_removals_are_remembered;
            fencing: a_former_leader_is_refused, a_claim_alone_shuts_the_former_leader_out,
                another_clusters_terms_say_nothing, shards_do_not_shut_each_other_out;
            looking: nothing_is_made, a_writers_work_is_seen_and_nothing_is_applied;
            access: who_has_access_is_told;
            planning: a_plan_leads_to_what_is_desired_and_then_to_nothing, deletion_behind_its_back_is_drift,
                a_change_behind_its_back_is_drift, an_unmarked_member_is_unmanaged, adoption_takes_what_is_identical,
                other_sections_keep_the_meaning_of_what_stays, a_deleted_account_leaves_nothing;
        }
    };
    ($fresh:expr, with audit) => {
        $crate::contract::contract_suite!($fresh);
        $crate::contract::contract_suite! { $fresh => asked: what_is_asked_for_is_told, records_are_as_good_elsewhere; }
    };
    ($fresh:expr => $($module:ident: $($promise:ident),+);+ $(;)?) => {
        $($(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                let backend = $fresh;
                $crate::contract::$module::$promise(&backend).await;
            }
        )+)+
    };
}

use contract_suite;
