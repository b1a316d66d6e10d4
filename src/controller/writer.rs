//! The one writer of statuses: bounded, prioritised, latest wins for each object.
//!
//! Twenty thousand statuses behind a role change must not keep one changed member waiting, so there are two lanes; and
//! what waits is the report, written down only when it is sent, against the object as it is then.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use kube::{
    Client,
    api::{Patch, PatchParams, PostParams},
    core::Request,
};
use serde::Deserialize;
use tokio::task::JoinSet;
use tracing::{Instrument as _, Span};

use crate::{
    api,
    cluster::api_error::{refusal, said},
    model::{KindName, ObjectRef},
    report::{Rendered, Report, render},
    state::{Meta, StatusDigest},
};

/// Patches in flight at once: enough to keep the API server busy, few enough to leave it air.
const IN_FLIGHT: usize = 24;
/// Of those, patches that nobody waits for: the API server works them off in turn, and one that somebody waits for comes
/// behind them.
const BULK_IN_FLIGHT: usize = 8;
/// Reports looked at in one go, so that the loop stays quick.
const AT_ONCE: usize = 128;
/// Wait before a status is sent again after somebody else changed the object: its new version is on its way.
const AFTER_CONFLICT: Duration = Duration::from_millis(100);
/// Longest wait after failures.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// Reports for which there is always room.
const ROOM: usize = 1_024;
/// The answer needs no more than the new version.
const METADATA_ONLY: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";

/// How soon a status is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    /// Somebody waits for it.
    Changes,
    /// Part of many.
    Bulk,
}

struct Waiting {
    report: Report,
    lane: Lane,
    attempts: u32,
    /// The pass that says it, where somebody waits for it: one of many is not worth a span.
    pass: Option<Box<Span>>,
}

/// What became of one patch.
#[derive(Debug)]
pub struct WriteResult {
    /// The object.
    pub reference: ObjectRef,
    /// What it is now; nothing where it could not be written.
    pub written: Option<Written>,
    /// What the API server said, where that was for want of a right.
    pub refused: Option<String>,
}

/// An object whose status was written.
#[derive(Debug)]
pub struct Written {
    /// Its UID: of this name there may be another one by now.
    pub uid: String,
    /// Its version.
    pub version: String,
    /// What its status reads as.
    pub digest: StatusDigest,
}

struct Sent {
    reference: ObjectRef,
    waiting: Waiting,
    digest: StatusDigest,
    answer: Result<Answer, kube::Error>,
}

#[derive(Debug, Deserialize)]
struct Answer {
    metadata: AnswerMetadata,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AnswerMetadata {
    uid: String,
    resource_version: String,
}

/// The writer. Owned by the controller's one loop.
pub struct StatusWriter {
    client: Client,
    waiting: HashMap<ObjectRef, Waiting>,
    lanes: [VecDeque<ObjectRef>; 2],
    later: BTreeMap<Instant, Vec<ObjectRef>>,
    in_flight: HashMap<ObjectRef, u64>,
    /// Statuses that somebody else wrote into.
    touched: HashSet<ObjectRef>,
    patches: JoinSet<Sent>,
}

impl StatusWriter {
    /// A writer that sends as `client`.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self {
            client,
            waiting: HashMap::new(),
            lanes: [VecDeque::new(), VecDeque::new()],
            later: BTreeMap::new(),
            in_flight: HashMap::new(),
            touched: HashSet::new(),
            patches: JoinSet::new(),
        }
    }

    /// Says something of an object, instead of what waits to be said of it; not before `delay` has passed.
    pub fn put(&mut self, reference: ObjectRef, report: Report, lane: Lane, delay: Duration) {
        self.place(reference, Waiting { report, lane, attempts: 0, pass: None }, delay);
    }

    /// As [`Self::put`], at once, and as a part of the pass that says it.
    pub fn put_within(&mut self, pass: &Span, reference: ObjectRef, report: Report, lane: Lane) {
        let pass = (lane == Lane::Changes).then(|| Box::new(pass.clone()));
        self.place(reference, Waiting { report, lane, attempts: 0, pass }, Duration::ZERO);
    }

    fn place(&mut self, reference: ObjectRef, waiting: Waiting, delay: Duration) {
        let lane = waiting.lane;
        let known = self.waiting.insert(reference.clone(), waiting);
        if delay > Duration::ZERO {
            if known.is_none() {
                self.later.entry(Instant::now() + delay).or_default().push(reference);
            }
        } else if known.is_none_or(|known| known.lane > lane) {
            self.lanes[lane as usize].push_back(reference);
        } else if !self.in_flight.contains_key(&reference) {
            // It may wait for its delay only; a second place in the lane costs nothing.
            self.lanes[lane as usize].push_back(reference);
        }
    }

    /// The digest of what is being sent for an object.
    #[must_use]
    pub fn being_sent(&self, reference: &ObjectRef) -> Option<u64> {
        self.in_flight.get(reference).copied()
    }

    /// Somebody else wrote into the status of an object: it is replaced whole next time, since server-side apply leaves
    /// alone what others have added.
    pub fn was_touched(&mut self, reference: &ObjectRef) {
        self.touched.insert(reference.clone());
    }

    /// Of what something is still to be said.
    pub fn waiting(&self) -> impl Iterator<Item = &ObjectRef> {
        self.waiting.keys()
    }

    /// Of what something is being said.
    pub fn in_flight(&self) -> impl Iterator<Item = &ObjectRef> {
        self.in_flight.keys()
    }

    /// Says nothing of an object after all.
    pub fn forget(&mut self, reference: &ObjectRef) {
        self.waiting.remove(reference);
        self.touched.remove(reference);
    }

    /// Whether something is to be said of an object, or is being said.
    #[must_use]
    pub fn concerns(&self, reference: &ObjectRef) -> bool {
        self.waiting.contains_key(reference) || self.in_flight.contains_key(reference)
    }

    /// Statuses that wait or are in flight.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.waiting.len() + self.in_flight.len()
    }

    /// Whether nothing waits but what is delayed on purpose, and nothing is in flight.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.in_flight.is_empty() && self.lanes.iter().all(VecDeque::is_empty)
    }

    /// Whether [`Self::pump`] would go on at once: it looks at so many at a time only.
    #[must_use]
    pub fn has_more(&self) -> bool {
        let [changes, bulk] = &self.lanes;
        (!changes.is_empty() && self.in_flight.len() < IN_FLIGHT)
            || (!bulk.is_empty() && self.in_flight.len() < BULK_IN_FLIGHT)
    }

    /// When something that is delayed becomes due.
    #[must_use]
    pub fn next_due(&self) -> Option<Instant> {
        self.later.keys().next().copied()
    }

    /// Sends as much as may be in flight. `meta` finds an object as it is now; what is gone, or has changed since the
    /// report was made, is dropped: another report follows, or none is wanted.
    pub fn pump<'a>(&mut self, meta: impl Fn(&ObjectRef) -> Option<&'a Meta>, now: Timestamp) {
        while let Some(due) = self.later.first_entry().filter(|due| *due.key() <= Instant::now()) {
            for reference in due.remove() {
                if let Some(waiting) = self.waiting.get(&reference) {
                    self.lanes[waiting.lane as usize].push_back(reference);
                }
            }
        }
        for _ in 0..AT_ONCE {
            if self.in_flight.len() >= IN_FLIGHT {
                return;
            }
            let [changes, bulk] = &mut self.lanes;
            let room_for_bulk = self.in_flight.len() < BULK_IN_FLIGHT;
            let next = changes.pop_front().or_else(|| room_for_bulk.then(|| bulk.pop_front()).flatten());
            let Some(reference) = next else { return };
            if self.in_flight.contains_key(&reference) {
                // Taken up again when the one in flight has landed.
                continue;
            }
            let Some(waiting) = self.waiting.remove(&reference) else { continue };
            let Some(meta) = meta(&reference).filter(|meta| meta.generation == waiting.report.generation) else {
                continue;
            };
            match render(&waiting.report, &meta.status, now) {
                Ok(rendered) if rendered.digest.hash == meta.status.hash => {}
                Ok(rendered) => self.send(reference, waiting, rendered, meta),
                Err(error) => tracing::error!(?reference, %error, "status cannot be written as JSON"),
            }
        }
    }

    fn send(&mut self, reference: ObjectRef, waiting: Waiting, rendered: Rendered, meta: &Meta) {
        let Rendered { json, digest } = rendered;
        let body = serde_json::json!({
            "apiVersion": format!("{}/{}", api::GROUP, api::VERSION),
            "kind": reference.kind.as_str(),
            // With a version, a former leader's patch is refused.
            "metadata": { "name": reference.name, "resourceVersion": meta.resource_version },
            "status": json,
        });
        let params = PatchParams::apply(api::MANAGER).force();
        let request = Request::new(url(&reference));
        let request = if self.touched.remove(&reference) {
            let params = PostParams { field_manager: Some(api::MANAGER.to_owned()), ..PostParams::default() };
            request.replace_subresource("status", &reference.name, &params, body.to_string().into_bytes())
        } else {
            request.patch_subresource("status", &reference.name, &params, &Patch::Apply(body))
        };
        self.in_flight.insert(reference.clone(), digest.hash);
        let client = self.client.clone();
        let span = waiting.pass.as_ref().map_or_else(Span::none, |pass| {
            tracing::debug_span!(parent: pass.as_ref(), "status", kind = reference.kind.as_str(), name = %reference.name)
        });
        let patch = async move {
            let answer = match request {
                Ok(mut request) => {
                    if let Ok(accept) = METADATA_ONLY.parse() {
                        request.headers_mut().insert("accept", accept);
                    }
                    client.request::<Answer>(request).await
                }
                Err(error) => Err(kube::Error::BuildRequest(error)),
            };
            Sent { reference, waiting, digest, answer }
        };
        self.patches.spawn(patch.instrument(span));
    }

    /// The next patch that has landed; pending for ever when none is in flight.
    pub async fn landed(&mut self) -> WriteResult {
        let sent = loop {
            match self.patches.join_next().await {
                Some(Ok(sent)) => break sent,
                // Cancelled with the process.
                Some(Err(_)) => {}
                None => std::future::pending().await,
            }
        };
        self.in_flight.remove(&sent.reference);
        self.give_back();
        if let Some(waiting) = self.waiting.get(&sent.reference) {
            self.lanes[waiting.lane as usize].push_front(sent.reference.clone());
        }
        let reference = sent.reference.clone();
        let (written, refused) = match sent.answer {
            Ok(Answer { metadata: AnswerMetadata { uid, resource_version: version } }) => {
                (Some(Written { uid, version, digest: sent.digest }), None)
            }
            Err(error) => {
                self.failed(sent.reference, sent.waiting, &error);
                (None, refusal(&error))
            }
        };
        WriteResult { reference, written, refused }
    }

    /// After very many statuses there is room for as many more, which nobody needs.
    fn give_back(&mut self) {
        if self.waiting.is_empty() && self.waiting.capacity() > ROOM {
            self.waiting.shrink_to(ROOM);
            self.lanes.iter_mut().for_each(|lane| lane.shrink_to(ROOM));
        }
    }

    fn failed(&mut self, reference: ObjectRef, mut waiting: Waiting, error: &kube::Error) {
        let wait = match error {
            kube::Error::Api(status) if status.code == 404 => return,
            kube::Error::Api(status) if status.code == 409 => AFTER_CONFLICT,
            error => {
                tracing::warn!(?reference, error = said(error), "status not written, trying again");
                waiting.attempts += 1;
                (AFTER_CONFLICT * 2_u32.saturating_pow(waiting.attempts.min(10))).min(LONGEST_WAIT)
            }
        };
        if !self.waiting.contains_key(&reference) {
            self.later.entry(Instant::now() + wait).or_default().push(reference.clone());
            self.waiting.insert(reference, waiting);
        }
    }
}

/// The URL of a kind's objects.
fn url(reference: &ObjectRef) -> String {
    let plural = match reference.kind {
        KindName::Namespace => "namespaces",
        KindName::PermissionCatalog => "permissioncatalogs",
        KindName::IdentityStore => "identitystores",
        KindName::Account => "accounts",
        KindName::Role => "accessroles",
        KindName::UserGroup => "usergroups",
        KindName::Membership => "memberships",
        KindName::Invitation => "invitations",
        // Nothing is said of it.
        KindName::CatalogRecord => "configmaps",
    };
    let base = format!("/apis/{}/{}", api::GROUP, api::VERSION);
    if reference.namespace.is_empty() {
        format!("{base}/{plural}")
    } else {
        format!("{base}/namespaces/{}/{plural}", reference.namespace)
    }
}
