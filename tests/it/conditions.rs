//! Tests every reason of `Valid` and `Synced`, each on real objects, and the promises about status itself
//! (docs/concepts.md "Status").

mod accounts;
mod definitions;
mod members;
mod status;
mod synced;

use futures::future::join_all;

use crate::support::Scene;

/// Kind, name, reason of `Valid=False`, and what its message says.
type Case<'a> = (&'a str, &'a str, &'a str, &'a [&'a str]);

/// Waits for all of them; see [`Scene::invalid`].
async fn all_invalid(scene: &Scene, cases: &[Case<'_>]) {
    join_all(cases.iter().map(|(kind, name, reason, says)| scene.invalid(kind, name, reason, says))).await;
}

/// Waits for what the store says of each of these members of `acme`.
async fn all_views(scene: &Scene, views: &[(&str, &str)]) {
    join_all(views.iter().map(|(email, view)| scene.wait_view(email, view))).await;
}
