//! Combines the store's defaults with the account's settings: an account can only be stricter, and a looser setting has
//! no effect and is advised. Called by the plan module for its policy, by `limits` and by the controller.

use std::time::Duration;

use crate::{
    api::{AccountSpec, DriftPolicy, Enforcement, IdentityStoreSpec, Unmanaged},
    model::{FindingKind, FindingsBuilder, Name, SettingValue},
};

/// Interval of full comparisons if neither store nor account sets one.
const CHECK_EVERY: Duration = Duration::from_mins(5);

/// Effective settings of one account (docs/concepts.md "Seven kinds", `accountDefaults`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Treatment of drift: correct or report.
    pub drift: DriftPolicy,
    /// Treatment of members whom no object declares.
    pub unmanaged: Unmanaged,
    /// Maximum part of the members that may be removed, in percent; the guard fires above it if `minimum_count` is also
    /// reached.
    pub maximum_percent: u8,
    /// Minimum number of removed members at which the guard can fire.
    pub minimum_count: u32,
}

impl Settings {
    /// Combines the settings; of each, the stricter one counts.
    #[must_use]
    pub fn of(store: &IdentityStoreSpec, account: &AccountSpec) -> Self {
        let (defaults, own) = (&store.account_defaults, account.drift.clone().unwrap_or_default());
        let guard = account.removal_guard.clone().unwrap_or_default();
        let (percent, count) = (defaults.removal_guard.maximum_percent, defaults.removal_guard.minimum_count);
        let reports = own.policy != Some(DriftPolicy::Correct) && defaults.drift.policy == DriftPolicy::Report;
        let unmanaged = own.unmanaged.into_iter().chain([defaults.drift.unmanaged]).min_by_key(|one| leniency(*one));
        Self {
            drift: if reports { DriftPolicy::Report } else { DriftPolicy::Correct },
            unmanaged: unmanaged.unwrap_or_default(),
            maximum_percent: guard.maximum_percent.map_or(percent, |own| own.min(percent)),
            minimum_count: guard.minimum_count.map_or(count, |own| own.min(count)),
        }
    }
}

/// Returns the leniency of a treatment of undeclared members, from 0 (strictest) to 2.
#[must_use]
pub const fn leniency(unmanaged: Unmanaged) -> u8 {
    match unmanaged {
        Unmanaged::Remove => 0,
        Unmanaged::Report => 1,
        Unmanaged::Ignore => 2,
    }
}

/// Advises on settings of an account that are looser than its store's, and so have no effect.
pub(super) fn advise_on_settings(store: &IdentityStoreSpec, account: &AccountSpec, findings: &mut FindingsBuilder<'_>) {
    let defaults = &store.account_defaults;
    let mut looser = |field: &'static str, own: SettingValue, store: SettingValue| {
        findings.add(field, FindingKind::LooserThanStore { own, store });
    };
    if let Some(drift) = &account.drift {
        if drift.policy == Some(DriftPolicy::Report) && defaults.drift.policy == DriftPolicy::Correct {
            let policy = SettingValue::DriftPolicy;
            looser("spec.drift.policy", policy(DriftPolicy::Report), policy(DriftPolicy::Correct));
        }
        if let Some(own) = drift.unmanaged.filter(|own| leniency(*own) > leniency(defaults.drift.unmanaged)) {
            let unmanaged = SettingValue::Unmanaged;
            looser("spec.drift.unmanaged", unmanaged(own), unmanaged(defaults.drift.unmanaged));
        }
        if let Some(own) = &drift.check_every
            && duration(own) > duration(&defaults.drift.check_every)
        {
            let text = |text: &str| SettingValue::Duration(Name::new(text));
            looser("spec.drift.checkEvery", text(own), text(&defaults.drift.check_every));
        }
    }
    if let Some(guard) = &account.removal_guard {
        let (percent, count) = (defaults.removal_guard.maximum_percent, defaults.removal_guard.minimum_count);
        let number = SettingValue::Number;
        if let Some(own) = guard.maximum_percent.filter(|own| *own > percent) {
            looser("spec.removalGuard.maximumPercent", number(own.into()), number(percent.into()));
        }
        if let Some(own) = guard.minimum_count.filter(|own| *own > count) {
            looser("spec.removalGuard.minimumCount", number(own), number(count));
        }
    }
    if let Some(own) = account.enforcement.filter(|own| *own < defaults.enforcement) {
        let enforcement = SettingValue::Enforcement;
        looser("spec.enforcement", enforcement(own), enforcement(defaults.enforcement));
    }
    let enforcement = enforcement(Some(store), account);
    if enforcement != Enforcement::Off {
        // Without this advice, users might assume that the setting is enforced.
        findings.add_whole(FindingKind::EnforcementWithoutEffect(enforcement));
    }
}

/// Returns how authority over an account is enforced: as the account or its store says it, whichever is stricter.
#[must_use]
pub fn enforcement(store: Option<&IdentityStoreSpec>, account: &AccountSpec) -> Enforcement {
    store
        .map(|store| store.account_defaults.enforcement)
        .into_iter()
        .chain(account.enforcement)
        .max()
        .unwrap_or_default()
}

/// Returns the interval at which an account is compared as a whole: the shorter one of store and account.
#[must_use]
pub fn check_every(store: Option<&IdentityStoreSpec>, account: &AccountSpec) -> Duration {
    let store = store.and_then(|store| duration(&store.account_defaults.drift.check_every));
    let own = account.drift.as_ref().and_then(|drift| duration(drift.check_every.as_deref()?));
    store.into_iter().chain(own).min().unwrap_or(CHECK_EVERY)
}

/// Parses a duration such as `1h30m`. Returns `None` for any other form, which the schema refuses.
#[must_use]
pub fn duration(text: &str) -> Option<Duration> {
    let mut seconds = 0_u64;
    let mut number = String::new();
    for letter in text.chars() {
        if letter.is_ascii_digit() {
            number.push(letter);
            continue;
        }
        let unit = match letter {
            'h' => 3_600,
            'm' => 60,
            's' => 1,
            _ => return None,
        };
        seconds = seconds.checked_add(number.parse::<u64>().ok()?.checked_mul(unit)?)?;
        number.clear();
    }
    number.is_empty().then(|| Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_writes_them() {
        assert_eq!(duration("5m"), Some(Duration::from_mins(5)));
        assert_eq!(duration("1h30m10s"), Some(Duration::from_secs(5_410)));
        assert_eq!(duration("10"), None);
        assert_eq!(duration("1d"), None);
    }
}
