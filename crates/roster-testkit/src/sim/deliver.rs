//! Watches: lists, and events after them, late and in order. Called by the run and by `perform_actions`.

use roster_core::{control::Event, model::KindName, state::WatchEvent};

use super::{
    clock::{MILLI, SECOND},
    cluster::{Change, Definition},
    item::Item,
    random::mix,
    run::Sim,
};

impl Sim {
    /// Reopens all watches of a replica.
    pub fn relist(&mut self, replica: usize) {
        for kind in KindName::ALL {
            self.open_watch(replica, kind, 0);
        }
    }

    /// Reopens a watch; it begins with a list.
    pub fn open_watch(&mut self, number: usize, kind: KindName, behind: usize) {
        let watch = self.replicas[number].watches.entry(kind).or_default();
        watch.opened += 1;
        (watch.lists, watch.listing, watch.behind, watch.planned) = (true, None, behind, false);
        self.plan_delivery(number, kind);
    }

    fn plan_delivery(&mut self, number: usize, kind: KindName) {
        let time = self.clock.time;
        let replica = &mut self.replicas[number];
        let lag = replica.lags.get(&kind).filter(|(_, until)| time < *until).map_or(0, |(most, _)| *most);
        let life = replica.life;
        let watch = replica.watches.entry(kind).or_default();
        if watch.planned {
            return;
        }
        watch.planned = true;
        let opened = watch.opened;
        let after = self.delay(mix(&[1, number as u64, kind as u64]), MILLI, 20 * MILLI + lag);
        self.at(time + after, Item::Deliver(number, life, kind, opened));
    }

    pub(super) fn announce_new_objects(&mut self) {
        for kind in self.cluster.take_news() {
            for replica in 0..self.replicas.len() {
                let known = &self.replicas[replica];
                if known.control.is_some() && known.watches.get(&kind).is_some_and(|watch| !watch.lists) {
                    self.plan_delivery(replica, kind);
                }
            }
        }
    }

    pub(super) fn deliver(&mut self, number: usize, kind: KindName, opened: u64) {
        let time = self.clock.time;
        let definition = self.cluster.definition(kind);
        let draw = self.draw(mix(&[2, number as u64, kind as u64]));
        let replica = &mut self.replicas[number];
        let Some(watch) = replica.watches.get_mut(&kind).filter(|watch| watch.opened == opened) else { return };
        watch.planned = false;
        let mut events = Vec::new();
        if watch.lists && matches!(definition, Definition::Absent | Definition::Denied) {
            replica.view.begin_list(kind);
            replica.view.end_list(kind, time);
            events.push(WatchEvent::Absent(kind));
            watch.planned = true;
            let life = replica.life;
            self.at(time + 2 * SECOND, Item::Deliver(number, life, kind, opened));
        } else if watch.lists {
            let mut rest = if let Some(rest) = watch.listing.take() {
                rest
            } else {
                let position = self.cluster.log(kind).len().saturating_sub(watch.behind);
                let mut found = self.cluster.snapshot(kind, position);
                found.reverse();
                watch.position = position;
                replica.view.begin_list(kind);
                events.push(WatchEvent::Listing(kind));
                found
            };
            let keeps = usize::try_from(draw % 3).unwrap_or(0) * rest.len() / 4;
            for stored in rest.split_off(keeps.min(rest.len())).into_iter().rev() {
                replica.view.take(&Change::Put(stored.clone()), time);
                events.push(WatchEvent::Object(stored.record.clone()));
            }
            if rest.is_empty() {
                watch.lists = false;
                replica.view.end_list(kind, time);
                events.push(WatchEvent::Listed(kind));
            } else {
                watch.listing = Some(rest);
            }
            self.plan_delivery(number, kind);
        } else {
            let log = self.cluster.log(kind);
            let left = log.len().saturating_sub(watch.position);
            if left == 0 {
                return;
            }
            let count = if draw.is_multiple_of(3) { 1 + usize::try_from(draw / 3).unwrap_or(0) % left } else { left };
            for change in &log[watch.position..watch.position + count] {
                replica.view.take(change, time);
                events.push(match change {
                    Change::Put(stored) => WatchEvent::Object(stored.record.clone()),
                    Change::Gone(object) => WatchEvent::Gone(object.clone()),
                });
            }
            watch.position += count;
            if count < left {
                self.plan_delivery(number, kind);
            }
        }
        self.mark(&[1, number as u64, kind as u64, events.len() as u64]);
        for event in events {
            self.record_delivery(number, &event);
            self.absorb(number, Event::Watched(event));
        }
    }

    fn record_delivery(&mut self, number: usize, event: &WatchEvent) {
        let time = self.clock.time;
        match event {
            WatchEvent::Object(object) => {
                self.transcript.record_of_object(time, object, |name| format!("replica {number} hears of {name}"));
            }
            WatchEvent::Gone(object) => {
                self.transcript.record(time, Some(&object.namespace), || {
                    format!("replica {number} hears that {object:?} is gone")
                });
            }
            WatchEvent::Absent(kind) => {
                self.transcript
                    .record(time, None, || format!("replica {number} hears that there is no kind {}", kind.as_str()));
            }
            WatchEvent::Listed(kind) => {
                self.transcript.record(time, None, || format!("replica {number} has listed {}", kind.as_str()));
            }
            WatchEvent::Listing(_) | WatchEvent::Refused(..) | WatchEvent::Unreadable(_) => {}
        }
    }
}
