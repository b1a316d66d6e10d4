//! Invariants about members who gain access by a write: the reference model allows it, the store is a known one, and no
//! object merely vanished. `check` calls it for each write.

use std::collections::BTreeMap;

use jiff::Timestamp;
use roster_core::model::{AccountKey, Email, Name};
use roster_reference::{AccountAnswer, End, MemberAnswer, Statement};

use super::{
    check::{Checker, Write},
    delivered_objects::{DeliveredObjects, Vanished},
};
use crate::memory::Levels;

impl Checker {
    /// Checks that nobody gains access in an unapproved replacement of a store.
    pub(super) fn check_known_store(&mut self, write: &Write<'_>) {
        let gains = |(email, after): (&Email, &Levels)| {
            let raised = raised(&write.running.delivered, write.account, write.before.get(email), after);
            raised.first().map(|(section, level)| format!("{} got {section}={level}", email.as_str()))
        };
        if let Some(gained) = write.after.iter().filter(|_| write.is_unknown).find_map(gains) {
            let message = format!("{gained} in a store that is not the known one, and that nobody approved");
            self.fail("replaced", Some(write.account), message);
        }
    }

    /// Checks that the reference model allows each raised level.
    pub(super) fn check_justified(
        &mut self,
        write: &Write<'_>,
        email: &Email,
        before: Option<&Levels>,
        after: &Levels,
        answers: &[&AccountAnswer; 2],
    ) {
        let delivered = &write.running.delivered;
        let raised = raised(delivered, write.account, before, after);
        if raised.is_empty() {
            return;
        }
        let members = answers.map(|answer| answer.members.get(email.as_str()));
        let is_allowed = |(section, level): &(&Name, &Name)| {
            members.into_iter().flatten().any(|member| {
                let allowed = allowed(member, write.wall);
                let most = allowed.and_then(|levels| levels.get(section.as_str()));
                most.is_some_and(|most| is_at_most(delivered, write.account, section, level, most))
            })
        };
        if let Some((section, level)) = raised.iter().find(|raised| !is_allowed(raised)) {
            let statement = members[0].map(|member| (member.statement, member.levels.clone()));
            let message = format!("{} got {section}={level}, but the model says {statement:?}", email.as_str());
            return self.fail("justified", Some(write.account), message);
        }
        let held = members.into_iter().all(|member| member.is_some_and(|m| m.statement == Statement::AtMostHeld));
        if held && before.is_some() && !self.tampered.contains(&(write.account.clone(), email.clone())) {
            let message = format!("{} got {raised:?}, though something that lowers is invalid", email.as_str());
            self.fail("sticky", Some(write.account), message);
        }
    }

    /// Checks that nobody is raised because objects vanished, unless a fresh read confirmed that.
    pub(super) fn check_vanished(&mut self, write: &Write<'_>, email: &Email, before: Option<&Levels>, after: &Levels) {
        let running = write.running;
        let since = self.written.get(&(write.account.clone(), email.clone())).copied().unwrap_or(0);
        let delivered = &running.delivered;
        let raised = raised(delivered, write.account, before, after);
        if raised.is_empty() {
            return;
        }
        let is_confirmed = |gone: &Vanished| write.fresh.is_some_and(|fresh| fresh >= gone.at);
        let gone: Vec<_> = running
            .vanished
            .iter()
            .filter(|gone| {
                let is_there = || !gone.replaced && delivered.known(gone.object.kind).contains(&gone.object);
                gone.at >= since && !is_confirmed(gone) && !is_there()
            })
            .collect();
        if gone.is_empty() {
            return;
        }
        let back = || gone.iter().map(|gone| (&gone.object, gone.before.as_ref()));
        // An allowance that ended by time alone, while the pass was running, did not end because of what vanished.
        let times = [running.pass.now, write.wall];
        let Some(answers) =
            times.map(|at| delivered.answer_with(back(), write.account, at)).into_iter().collect::<Option<Vec<_>>>()
        else {
            return;
        };
        let members = answers.iter().map(|answer| answer.members.get(email.as_str()));
        let Some(members) = members.collect::<Option<Vec<_>>>() else { return };
        let is_allowed = |(section, level): &(&Name, &Name)| {
            members.iter().any(|member| {
                let most = allowed(member, write.wall).and_then(|levels| levels.get(section.as_str()));
                most.is_some_and(|most| is_at_most(delivered, write.account, section, level, most))
            })
        };
        let exceeds = raised.iter().find(|raised| !is_allowed(raised));
        if let Some((section, level)) = exceeds {
            let objects: Vec<String> = gone.iter().map(|gone| format!("{:?}", gone.object)).collect();
            let message = format!(
                "{} got {section}={level} because of what vanished ({}), without a fresh read",
                email.as_str(),
                objects.join(", ")
            );
            self.fail("vanished", Some(write.account), message);
        }
    }
}

/// Returns the levels that a member may have at a time, independent of former ones; `None` if there are none.
fn allowed(member: &MemberAnswer, wall: Timestamp) -> Option<&BTreeMap<String, String>> {
    match member.statement {
        Statement::Exactly | Statement::AtMostHeld => Some(&member.levels),
        Statement::Ended(End::NotStarted) if member.starts_at.is_some_and(|start| start <= wall) => {
            Some(&member.potential)
        }
        Statement::Kept | Statement::Ended(_) => None,
    }
}

/// Returns the levels of `after` that are above those of `before`.
fn raised<'a>(
    delivered: &DeliveredObjects,
    account: &AccountKey,
    before: Option<&Levels>,
    after: &'a Levels,
) -> Vec<(&'a Name, &'a Name)> {
    let rank = |section: &Name, level: &Name| delivered.rank(account, section, level);
    let is_raised = |(section, level): &(&Name, &Name)| {
        let held = before.and_then(|before| before.get(*section));
        match held {
            Some(held) if held == *level => false,
            Some(held) => match (rank(section, held), rank(section, level)) {
                (Some(held), Some(level)) => level > held,
                _ => false,
            },
            None => true,
        }
    };
    after.iter().filter(is_raised).collect()
}

fn is_at_most(delivered: &DeliveredObjects, account: &AccountKey, section: &str, level: &str, most: &str) -> bool {
    level == most
        || matches!(
            (delivered.rank(account, section, level), delivered.rank(account, section, most)),
            (Some(level), Some(most)) if level <= most
        )
}
