//! The contract suite: the promises that every identity store keeps (docs/architecture.md "The store contract"). Run by
//! the tests of each backend, and by this crate's own against the store in memory.
//!
//! A [`Backend`] creates an empty store for each test, opens it again as another process would, and changes it behind
//! Roster's back. [`contract_suite!`](crate::contract_suite) generates a test for each promise. A promise that depends
//! on a capability applies only if the store has it: see [`applies`].

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::pedantic,
    reason = "test code: promises end by panicking, and their names are sentences that need no comment"
)]

pub mod access;
pub mod asked;
pub mod basics;
pub mod extremes;
pub mod failure;
pub mod fencing;
pub mod ownership;
pub mod planning;
pub mod read_only;
pub mod world;

use std::time::Duration;

use async_trait::async_trait;
use roster_core::{
    contract::{AuditReport, Capabilities, Store},
    model::{AccountKey, Email},
    plan::ObjectKey,
};

pub use crate::contract_suite;

/// Store under test.
#[async_trait]
pub trait Backend: Send + Sync {
    /// Opens the store: the first time, and again like another process.
    async fn open(&self) -> Box<dyn Store>;

    /// Opens the store read-only; returns `None` if there is no store.
    async fn open_read_only(&self) -> Option<Box<dyn Store>>;

    /// Checks the audit. Called only if the store has the capability.
    async fn verify_audit(&self) -> AuditReport;

    /// Removes the content of an object behind Roster's back; its mark stays.
    async fn delete(&self, account: &AccountKey, object: &ObjectKey);

    /// Adds a member with access and without a mark.
    async fn insert_member(&self, account: &AccountKey, email: &Email);

    /// Changes one visible field of an object behind Roster's back.
    async fn change(&self, account: &AccountKey, object: &ObjectKey);

    /// Returns the point at which a pass is dropped in this round of a test; rounds count from 0.
    fn cut(&self, round: u32, capabilities: Capabilities) -> Cut {
        let step = if capabilities.transactions { 150 } else { 40_000 };
        Cut::After(Duration::from_micros(u64::from(round) * step))
    }
}

/// Point at which a call to a store is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// After this time.
    After(Duration),
    /// After this number of polls, at least 1, if the call has not ended.
    AtPoll(u32),
}

/// Returns whether a store has the capability that the promises of a module depend on.
pub async fn applies(module: &str, backend: &dyn Backend) -> bool {
    let needs: fn(Capabilities) -> bool = match module {
        "asked" => |can| can.audit,
        "fencing" => |can| can.fencing,
        // Not even opened: some promises begin before there is a store.
        _ => return true,
    };
    needs(backend.open().await.capabilities())
}

/// Generates one test for each promise. `$fresh` is an expression that creates a [`Backend`] with an empty store. The
/// tests run on the tokio of the crate that uses the macro.
#[macro_export]
macro_rules! contract_suite {
    ($fresh:expr) => {
        $crate::contract_suite! { $fresh =>
            basics: what_was_applied_is_observed, what_was_applied_survives_reopening, a_scope_shows_its_members_only,
                repeating_a_batch_changes_nothing, removing_is_repeatable, titles_can_be_renamed,
                every_field_of_a_member_can_come_and_go, a_role_in_use_can_be_removed,
                an_account_goes_with_everything_in_it, an_account_with_something_in_it_stays,
                accounts_and_totals_are_reported, every_account_is_reported_with_its_owner, a_missing_account_is_empty,
                a_store_keeps_its_id, a_plan_for_another_store_is_refused;
            extremes: unicode_quotes_and_slashes_survive, an_address_of_254_characters_fits,
                many_members_and_roles, the_largest_catalog_fits, a_catalog_without_sections_works;
            ownership: marks_and_fingerprints_are_observed, authorised_objects_are_kept, another_cluster_is_not_touched,
                another_clusters_account_is_not_entered, an_earlier_account_of_the_same_name_must_be_adopted,
                content_that_appears_meanwhile_is_not_overwritten,
                a_grant_planned_before_a_revocation_is_not_applied_after_it, content_that_is_no_longer_ours_is_not_removed;
            failure: a_batch_for_other_sections_is_refused, one_refused_member_does_not_affect_others,
                nothing_has_effect_without_its_account, accounts_do_not_disturb_each_other,
                people_of_one_account_do_not_disturb_each_other, a_pass_that_is_dropped_leaves_all_or_nothing,
                counted_removals_are_remembered, an_approval_is_used_up_by_the_approved_removals;
            fencing: a_former_leader_is_refused, a_claim_alone_fences_out_the_former_leader,
                epochs_of_another_cluster_have_no_effect, shards_do_not_fence_each_other_out;
            read_only: opening_creates_nothing, written_content_is_visible_and_nothing_is_applied;
            access: people_with_access_are_reported;
            asked: requested_audit_records_are_returned, exported_records_can_be_verified_elsewhere;
            planning: a_plan_gives_the_desired_state_and_a_second_is_empty, a_deletion_by_others_is_drift,
                a_change_by_others_is_drift, an_unmarked_member_is_unmanaged, adoption_takes_identical_content,
                changed_sections_keep_the_meaning_of_levels, a_deleted_account_leaves_nothing;
        }
    };
    ($fresh:expr => $($module:ident: $($promise:ident),+);+ $(;)?) => {
        $($(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                let backend = $fresh;
                if $crate::contract::applies(stringify!($module), &backend).await {
                    $crate::contract::$module::$promise(&backend).await;
                }
            }
        )+)+
    };
}
