//! Checks whether an actor holds what a catalog's `administration` demands for an action. Called by `authority::judge`
//! and `authority::administrators`.

use super::{Violation, actor::Holdings};
use crate::{
    api::{AdministrationAction as Action, AdministrationRule},
    model::{AccountKey, Email, Name},
    resolve::EffectiveCatalog,
};

/// Question whether an actor holds what a catalog demands for an action.
pub(super) struct Permit<'a> {
    pub(super) field: &'static str,
    pub(super) action: Action,
    pub(super) account: &'a AccountKey,
    /// Catalog of the account in which the actor must hold it; `None` if that does not resolve.
    pub(super) catalog: Option<&'a EffectiveCatalog>,
    pub(super) holdings: &'a Holdings,
    pub(super) actor: &'a Email,
    pub(super) widens: bool,
}

/// Returns the rule of a catalog for an action.
fn rule_for(whole: &EffectiveCatalog, action: Action) -> Option<&AdministrationRule> {
    whole.facts.spec.administration.iter().find(|rule| rule.action == action)
}

/// Returns the rules of a catalog that name a role.
pub(super) fn rules_naming<'a>(
    whole: &'a EffectiveCatalog,
    role: &'a Name,
) -> impl Iterator<Item = &'a AdministrationRule> {
    let rules = whole.facts.spec.administration.iter();
    rules.filter(move |rule| rule.roles.iter().any(|named| named == role.as_str()))
}

/// Returns whether somebody holds what a catalog demands for an action. Without a rule, an action is for
/// administrators.
pub(super) fn is_permitted(whole: &EffectiveCatalog, action: Action, holdings: &Holdings) -> bool {
    rule_for(whole, action).is_some_and(|rule| is_met(rule, whole, holdings))
}

/// Returns the violation if the actor lacks what the catalog demands.
pub(super) fn permit(asked: &Permit<'_>) -> Option<Violation> {
    let is_permitted = asked.catalog.is_some_and(|whole| is_permitted(whole, asked.action, asked.holdings));
    (!is_permitted).then(|| Violation::ActionNotAllowed {
        field: asked.field,
        action: asked.action,
        account: asked.account.clone(),
        rule: asked.catalog.and_then(|whole| rule_for(whole, asked.action)).cloned(),
        actor: asked.actor.clone(),
        widens: asked.widens,
    })
}

/// Returns whether somebody holds what a rule demands.
pub(super) fn is_met(rule: &AdministrationRule, whole: &EffectiveCatalog, holdings: &Holdings) -> bool {
    if let (Some(section), Some(level)) = (&rule.section, &rule.level) {
        let Some(section) = whole.catalog.section(section) else { return false };
        return whole.catalog.rank(section, level).is_some_and(|rank| rank > 0 && holdings.rank(section) >= rank);
    }
    rule.roles.iter().any(|role| holdings.roles.contains(role.as_str()))
}
