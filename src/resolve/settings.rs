//! Store's defaults and account's settings, put together. An account can only be stricter; what would be looser counts
//! for nothing and is advised.

use std::{collections::BTreeSet, time::Duration};

use jiff::Timestamp;

use crate::{
    api::{AccountSpec, DriftPolicy, Enforcement, IdentityStoreSpec, PAUSED_ANNOTATION, Unmanaged},
    controller::record::Meta,
    plan::{GuardPolicy, Mark, Policy},
    resolve::RoleName,
};

/// How often an account is compared whole where neither store nor account says so.
const CHECK_EVERY: Duration = Duration::from_mins(5);

/// What holds for one account.
#[must_use]
pub fn effective(
    mark: Mark,
    store: &IdentityStoreSpec,
    account: &AccountSpec,
    meta: &Meta,
    last_holders: BTreeSet<RoleName>,
    now: Timestamp,
) -> Policy {
    let defaults = &store.account_defaults;
    let drift = account.drift.clone().unwrap_or_default();
    let guard = account.removal_guard.clone().unwrap_or_default();
    let stricter_drift = drift.policy.into_iter().chain([defaults.drift.policy]).min_by_key(|policy| match policy {
        DriftPolicy::Correct => 0,
        DriftPolicy::Report => 1,
    });
    let stricter_unmanaged =
        drift.unmanaged.into_iter().chain([defaults.drift.unmanaged]).min_by_key(|unmanaged| strictness(*unmanaged));
    let percent = defaults.removal_guard.maximum_percent;
    let count = defaults.removal_guard.minimum_count;
    Policy {
        mark,
        adoption: store.adoption,
        drift: stricter_drift.unwrap_or_default(),
        unmanaged: stricter_unmanaged.unwrap_or_default(),
        paused: store.paused || meta.annotation(PAUSED_ANNOTATION) == Some("true"),
        guard: GuardPolicy {
            maximum_percent: guard.maximum_percent.map_or(percent, |own| own.min(percent)),
            minimum_count: guard.minimum_count.map_or(count, |own| own.min(count)),
            approved: meta.annotation(crate::api::APPROVE_REMOVAL_ANNOTATION).map(ToOwned::to_owned),
            last_holders,
        },
        now,
    }
}

const fn strictness(unmanaged: Unmanaged) -> u8 {
    match unmanaged {
        Unmanaged::Remove => 0,
        Unmanaged::Report => 1,
        Unmanaged::Ignore => 2,
    }
}

/// What an account asks for that is looser than its store, and so has no effect.
#[must_use]
pub fn advice(store: &IdentityStoreSpec, account: &AccountSpec) -> Vec<String> {
    let defaults = &store.account_defaults;
    let mut advice = Vec::new();
    let mut looser = |field: &str, own: String, store: String| {
        advice.push(format!("spec.{field}: {own} is looser than the store's {store} and has no effect"));
    };
    if let Some(drift) = &account.drift {
        if drift.policy == Some(DriftPolicy::Report) && defaults.drift.policy == DriftPolicy::Correct {
            looser("drift.policy", "Report".to_owned(), "Correct".to_owned());
        }
        if let Some(own) = drift.unmanaged.filter(|own| strictness(*own) > strictness(defaults.drift.unmanaged)) {
            looser("drift.unmanaged", format!("{own:?}"), format!("{:?}", defaults.drift.unmanaged));
        }
        if let Some(own) = &drift.check_every
            && duration(own) > duration(&defaults.drift.check_every)
        {
            looser("drift.checkEvery", own.clone(), defaults.drift.check_every.clone());
        }
    }
    if let Some(guard) = &account.removal_guard {
        let (percent, count) = (defaults.removal_guard.maximum_percent, defaults.removal_guard.minimum_count);
        if let Some(own) = guard.maximum_percent.filter(|own| *own > percent) {
            looser("removalGuard.maximumPercent", own.to_string(), percent.to_string());
        }
        if let Some(own) = guard.minimum_count.filter(|own| *own > count) {
            looser("removalGuard.minimumCount", own.to_string(), count.to_string());
        }
    }
    if let Some(own) = account.enforcement.filter(|own| *own < defaults.enforcement) {
        looser("enforcement", format!("{own:?}"), format!("{:?}", defaults.enforcement));
    }
    let enforcement = account.enforcement.into_iter().fold(defaults.enforcement, Enforcement::max);
    if enforcement != Enforcement::Off {
        // Nobody must believe that somebody checks.
        advice.push(format!("enforcement: {enforcement:?} has no effect yet: this release has no admission webhook"));
    }
    advice
}

/// How often an account is compared whole.
#[must_use]
pub fn check_every(store: Option<&IdentityStoreSpec>, account: &AccountSpec) -> Duration {
    let store = store.and_then(|store| duration(&store.account_defaults.drift.check_every));
    let own = account.drift.as_ref().and_then(|drift| duration(drift.check_every.as_deref()?));
    store.into_iter().chain(own).min().unwrap_or(CHECK_EVERY)
}

/// A duration such as `1h30m`; nothing where it is none, which the schema refuses.
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
