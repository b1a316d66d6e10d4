//! Kubernetes events. Written by a task of their own, so that a pass never waits for them; the controller's loop sends
//! the notices. Best effort: failures are only logged.

use std::{
    collections::{HashMap, hash_map::Entry},
    time::{Duration, Instant},
};

use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Client,
    runtime::events::{Event, EventType, Recorder, Reporter},
};
use tokio::sync::mpsc;

use crate::{
    api,
    model::{Name, counted},
    report::{Notice, NoticeReason as Reason},
    telemetry::Metrics,
};

/// Largest number of waiting events; more are dropped.
const WAITING: usize = 1_024;
/// Time over which `Applied` events of one account are combined.
const SUM_UP: Duration = Duration::from_secs(5);

/// Returns the reference that events carry.
fn about(notice: &Notice) -> ObjectReference {
    let reference = &notice.about;
    ObjectReference {
        api_version: Some(format!("{}/{}", api::GROUP, api::VERSION)),
        kind: Some(reference.kind.as_str().to_owned()),
        name: Some(reference.name.to_string()),
        namespace: (!reference.namespace.is_empty()).then(|| reference.namespace.to_string()),
        uid: Some(notice.uid.to_string()),
        ..ObjectReference::default()
    }
}

/// Sender of notices; never blocks.
#[derive(Clone)]
pub struct Events(mpsc::Sender<Notice>);

impl Events {
    /// Sends a notice; drops it if too many are waiting.
    pub fn emit(&self, notice: Notice) {
        if self.0.try_send(notice).is_err() {
            tracing::debug!("event dropped: the queue is full");
        }
    }
}

/// Starts the task that writes events. It ends with the last sender.
#[must_use]
pub fn start(client: Client, identity: String, metrics: Metrics) -> (Events, tokio::task::JoinHandle<()>) {
    let (sender, receiver) = mpsc::channel(WAITING);
    let reporter = Reporter { controller: "roster.dev/controller".to_owned(), instance: Some(identity) };
    let task = tokio::spawn(write(Recorders { client, reporter, known: HashMap::new() }, receiver, metrics));
    (Events(sender), task)
}

/// Largest number of objects and reasons with a remembered note; at the limit all are forgotten.
const REMEMBERED: usize = 4_096;

/// Recorders, which aggregate repeated events. Each is for one note: a recorder aggregates by object and reason only,
/// and would continue to show the first note.
struct Recorders {
    client: Client,
    reporter: Reporter,
    known: HashMap<(Name, Reason), (String, Recorder)>,
}

impl Recorders {
    /// Returns the recorder of a note.
    fn of(&mut self, uid: &Name, reason: Reason, note: &str) -> &Recorder {
        if self.known.len() >= REMEMBERED {
            self.known.clear();
        }
        let known = match self.known.entry((uid.clone(), reason)) {
            Entry::Occupied(known) if known.get().0 == note => known,
            other => other.insert_entry((note.to_owned(), Recorder::new(self.client.clone(), self.reporter.clone()))),
        };
        &known.into_mut().1
    }
}

async fn write(mut recorders: Recorders, mut notices: mpsc::Receiver<Notice>, metrics: Metrics) {
    let mut applied: HashMap<Name, (Notice, Instant)> = HashMap::new();
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            notice = notices.recv() => match notice {
                None => break,
                Some(notice) if notice.reason == Reason::Applied => {
                    let key = notice.uid.clone();
                    let waiting = applied.entry(key).or_insert_with(|| (Notice { count: 0, ..notice.clone() }, Instant::now()));
                    let count = waiting.0.count + notice.count;
                    waiting.0 = Notice { count, ..notice };
                }
                Some(notice) => publish(&mut recorders, notice, &metrics).await,
            },
            _ = tick.tick() => {
                let due: Vec<Name> = applied
                    .iter()
                    .filter(|(_, (_, since))| since.elapsed() >= SUM_UP)
                    .map(|(key, _)| key.clone())
                    .collect();
                for (notice, _) in due.iter().filter_map(|key| applied.remove(key)) {
                    publish(&mut recorders, notice, &metrics).await;
                }
            }
        }
    }
    for (_, (notice, _)) in applied {
        publish(&mut recorders, notice, &metrics).await;
    }
}

async fn publish(recorders: &mut Recorders, notice: Notice, metrics: &Metrics) {
    let about = about(&notice);
    let type_ = if notice.reason.is_warning() { EventType::Warning } else { EventType::Normal };
    let mut note = match notice.reason {
        Reason::Applied => format!("{} applied in the store", counted(notice.count, "change")),
        _ => notice.note,
    };
    // The API server accepts at most one kilobyte.
    if note.len() > 1_000 {
        let cut = (0..=997).rev().find(|at| note.is_char_boundary(*at)).unwrap_or(0);
        note.truncate(cut);
        note.push('…');
    }
    let recorder = recorders.of(&notice.uid, notice.reason, &note);
    let event = Event {
        type_,
        reason: notice.reason.to_string(),
        note: Some(note),
        action: "Reconcile".to_owned(),
        secondary: None,
    };
    match recorder.publish(&event, &about).await {
        Ok(()) => metrics.api_write("event", "ok"),
        Err(error) => {
            // A namespace that is being deleted accepts no new events.
            metrics.api_write("event", "failed");
            tracing::debug!(%error, "event not written");
        }
    }
}
