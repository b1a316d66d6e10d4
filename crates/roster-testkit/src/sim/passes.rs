//! Running passes: each has one request in flight, or ends. Called by `calls`, `requests` and the run.

use roster_core::control::{Event, Pass, PassId, PassResult};

use super::{clock::Time, item::Item, random::mix, replica::Running, run::Sim};

impl Sim {
    /// Begins a pass.
    pub fn begin(&mut self, number: usize, pass: Pass) {
        let time = self.clock.time;
        let id = pass.id;
        self.transcript.record_of_account(time, &pass.key, || {
            format!("replica {number} begins {}", super::transcript::describe(&pass))
        });
        self.checker.began(&pass.key, time);
        self.parallel += u64::from(pass.parallel.is_some());
        self.mark(&[2, number as u64, super::random::key(&pass.key.to_string())]);
        let running = Running::new(pass, &self.replicas[number].view, time);
        self.replicas[number].passes.insert(id, running);
        self.poll(number, id);
    }

    /// Polls a pass, which then sends its next request or ends.
    pub fn poll(&mut self, number: usize, id: PassId) {
        use std::task::{Context, Poll, Waker};
        let time = self.clock.time;
        let Some(running) = self.replicas[number].passes.get_mut(&id) else { return };
        match running.future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => self.pass_finished(number, id, result),
            Poll::Pending => {
                let Some(request) = running.environment.take_request() else { return };
                let key = super::random::key(&running.pass.key.to_string());
                running.request = Some((request, time));
                let life = self.replicas[number].life;
                let after = self.store_delay(number, id, key);
                self.at(time + after, Item::Pass(number, life, id));
            }
        }
    }

    /// Returns the duration of the next step of a pass's request.
    pub fn store_delay(&mut self, number: usize, id: PassId, key: u64) -> Time {
        let store = self.replicas[number].passes.get(&id).map(|running| running.pass.store.clone());
        let slow = store.and_then(|store| self.slow.get(&store).copied()).unwrap_or(0);
        let most = self.config.store_latency + slow;
        self.delay(mix(&[4, key]), slow / 2 + 200, most)
    }

    /// Ends a pass.
    pub fn pass_finished(&mut self, number: usize, id: PassId, result: PassResult) {
        let Some(running) = self.replicas[number].passes.remove(&id) else { return };
        let time = self.clock.time;
        self.transcript.record_of_account(time, &running.pass.key, || {
            format!("replica {number}: {}", super::transcript::describe_result(&result))
        });
        self.checker.touch(&running.pass.key);
        self.absorb(number, Event::PassFinished { pass: id, result });
    }
}
