//! Leases as each replica sees them.

use roster_core::{
    control::{Control, Event, ShareEvent},
    model::{KindName, Name},
};

use super::{
    clock::{MILLI, SECOND},
    lease::TICK,
    random::mix,
    run::{Item, Sim},
};

impl Sim {
    /// Lets a replica look at the leases: renew, take, give back.
    pub fn look_at_leases(&mut self, number: usize) {
        let time = self.clock.time;
        let after = self.delay(mix(&[9, number as u64]), TICK - 200 * MILLI, TICK);
        let thaw = self.replicas[number].frozen_until.max(self.replicas[number].starts_at);
        self.at((time + after).max(thaw), Item::Lease(number));
        if thaw > time {
            return;
        }
        let fair = self.leases.attend(number, time);
        let lost = {
            let (replica, leases) = (&mut self.replicas[number], &mut self.leases);
            replica.held.iter_mut().any(|(shard, holding)| !leases.renew(*shard, number, holding, time))
        };
        if lost {
            self.story.tell(time, None, || format!("replica {number} has lost a lease and starts again"));
            self.end(number, 2 * SECOND);
            return;
        }
        if self.config.shards == 1 {
            self.lead_alone(number);
        } else {
            self.share(number, fair);
        }
    }

    fn lead_alone(&mut self, number: usize) {
        if self.replicas[number].control.is_some() {
            return;
        }
        let time = self.clock.time;
        let Some((shard, holding)) = self.leases.take(number, time) else { return };
        let (epoch, clean) = (holding.epoch, holding.clean);
        self.replicas[number].held.insert(shard, holding);
        self.start(number);
        if let Some(control) = &mut self.replicas[number].control {
            control.begin_with(shard, epoch, clean);
        }
        self.story.tell(time, None, || format!("replica {number} leads with epoch {}", epoch.0));
    }

    fn share(&mut self, number: usize, fair: usize) {
        let time = self.clock.time;
        if self.replicas[number].control.is_none() {
            self.start(number);
        }
        let held = self.replicas[number].held.len();
        if held < fair {
            if let Some((shard, holding)) = self.leases.take(number, time) {
                let event = ShareEvent::Taken { shard, epoch: holding.epoch, clean: holding.clean };
                self.story.tell(time, None, || format!("replica {number} takes shard {shard}: {event:?}"));
                self.replicas[number].held.insert(shard, holding);
                self.absorb(number, Event::Share(event));
            }
        } else if held > fair {
            let excess = self.replicas[number].held.iter_mut().rfind(|(_, holding)| !holding.leaving);
            if let Some((shard, holding)) = excess {
                holding.leaving = true;
                let shard = *shard;
                self.story.tell(time, None, || format!("replica {number} gives shard {shard} back"));
                self.absorb(number, Event::Share(ShareEvent::GiveBack(shard)));
            }
        }
        let notes = self.leases.notes();
        self.absorb(number, Event::Share(ShareEvent::Told(notes)));
    }

    /// Ends a replica's life; it starts again later. Single writes of calls that were under way are not undone.
    pub fn end(&mut self, number: usize, after: u64) {
        let starts_at = self.clock.time + after;
        self.replicas[number].end(starts_at);
    }

    /// Returns the replica that looks after an account, if one does.
    #[must_use]
    pub fn keeper(&self, account: &roster_core::model::AccountKey, store: Option<&Name>) -> Option<usize> {
        let shard = self.shard(account, store);
        let holder = self.leases.get(shard).holder?;
        let replica = &self.replicas[holder];
        // A revocation needs these kinds only; for others it must not wait: known defect (e).
        let needed = [KindName::Account, KindName::Membership, KindName::IdentityStore];
        let listed = if self.config.strict {
            needed.iter().all(|kind| replica.watches.get(kind).is_some_and(|watch| !watch.lists))
        } else {
            replica.control.as_ref().is_some_and(Control::is_complete)
                && replica.watches.values().all(|watch| !watch.lists)
        };
        let alive = listed
            && replica.control.is_some()
            && replica.frozen_until <= self.clock.time
            && self.believes(holder, shard)
            && replica.held.get(&shard).is_some_and(|holding| !holding.leaving);
        alive.then_some(holder)
    }

    /// Returns the shard of an account.
    #[must_use]
    pub fn shard(&self, account: &roster_core::model::AccountKey, store: Option<&Name>) -> u16 {
        use roster_core::contract::{Slots, slot, slot_of};
        let plain = store.is_some_and(|store| self.config.stores.get(store) == Some(&crate::memory::Kind::Plain));
        let slot = if plain { slot_of("https://keycloak.example portal") } else { slot(account) };
        if self.config.shards == 1 { 0 } else { Slots::part_of(slot, self.config.shards) }
    }
}
