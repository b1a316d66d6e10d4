//! Answers reviews: determines who makes a change, and asks [`crate::authority`] for a verdict. Called by `server`.

use std::sync::Arc;

use anyhow::Context as _;
use jiff::Timestamp;
use kube::{Client, core::admission::AdmissionResponse};
use tokio::sync::Semaphore;

use super::{
    config::Config,
    review::{Request, Reviewed, user},
    stamp,
    state::Knowledge,
};
use crate::{
    api::{Enforcement, ON_BEHALF_OF_ANNOTATION},
    authority::{Actor, Admission, Capacity, Change, Place, address_of, judge_change},
    cluster::rights::{Right, Rights, User},
    model::{Email, Name},
    telemetry::Metrics,
};

/// Answers reviews.
pub(super) struct Judge {
    rights: Rights,
    knowledge: Arc<Knowledge>,
    metrics: Metrics,
    member_prefix: Option<String>,
    floor: Enforcement,
    log_addresses: bool,
    /// Judgements that may run at the same time; the others wait, and the API server does not wait for all of them.
    turns: Semaphore,
}

/// Judgements at the same time.
const TURNS: usize = 4;

impl Judge {
    pub(super) fn new(client: Client, knowledge: Arc<Knowledge>, metrics: Metrics, config: &Config) -> Self {
        Self {
            rights: Rights::new(client),
            knowledge,
            metrics,
            member_prefix: config.member_prefix.clone(),
            floor: config.floor,
            log_addresses: config.log_addresses,
            turns: Semaphore::new(TURNS),
        }
    }

    /// Answers the mutating webhook.
    ///
    /// # Errors
    /// When the API server does not answer, or the objects are not known yet. The webhook's failure policy then decides.
    pub(super) async fn stamp(&self, request: &Request) -> anyhow::Result<AdmissionResponse> {
        let response = AdmissionResponse::from(request);
        let reviewed = Reviewed::of(request)?;
        let Some(after) = &reviewed.after else { return Ok(response) };
        let user = user(&request.user_info);
        let before = reviewed.before.as_ref();
        let capacity = match stamp::on_behalf_of(after) {
            _ if !stamp::changes(before, after) => Capacity::Own,
            Some(address) => match self.for_member(&user, address, request.namespace.as_deref()).await? {
                Ok(email) => Capacity::For(email.to_string()),
                Err(why) => return Ok(self.refuse(response, request, &why)),
            },
            None => {
                // Another webhook may have changed the object after the first call, which took the annotation away.
                if let Some(email) = self.acted_for(&reviewed, &user, request).await? {
                    let patch = stamp::patch(before, after, Capacity::For(email.to_string()), &user.name);
                    return with_patch(response, patch);
                }
                // What cannot be read is refused by its schema.
                let Ok(Some(change)) = reviewed.change() else { return Ok(response) };
                let place = self.known(|index| Place::of(index, &change))?;
                if self.rights.administers(&user, &place).await.context(ASKING)? {
                    Capacity::Administrator
                } else {
                    Capacity::Own
                }
            }
        };
        let patch = stamp::patch(before, after, capacity, &user.name);
        with_patch(response, patch)
    }

    /// Returns the member for whom an earlier call for the same request stamped the object, if the user may act for them.
    async fn acted_for(&self, reviewed: &Reviewed, user: &User, request: &Request) -> anyhow::Result<Option<Email>> {
        let Some(after) = &reviewed.after else { return Ok(None) };
        let stamp = stamp::written(reviewed.before.as_ref(), after).filter(|stamp| stamp.user == user.name);
        let Some(Capacity::For(address)) = stamp.map(|stamp| stamp.capacity) else { return Ok(None) };
        Ok(self.for_member(user, &address, request.namespace.as_deref()).await?.ok())
    }

    /// Answers the validating webhook.
    ///
    /// # Errors
    /// As [`Self::stamp`].
    pub(super) async fn judge(self: &Arc<Self>, request: &Request) -> anyhow::Result<AdmissionResponse> {
        let response = AdmissionResponse::from(request);
        let reviewed = Reviewed::of(request)?;
        let change = match reviewed.change() {
            Ok(Some(change)) if !change.is_unchanged() => change,
            Ok(_) => return Ok(response),
            Err(why) => return Ok(self.refuse(response, request, &why)),
        };
        let place = self.known(|index| Place::of(index, &change))?;
        let enforcement = place.enforcement.max(self.floor);
        if enforcement == Enforcement::Off {
            return Ok(response);
        }
        let actor = match self.actor(request, &reviewed, &place).await? {
            Ok(actor) => actor,
            Err(why) => return Ok(self.refuse(response, request, &why)),
        };
        let _turn = self.turns.acquire().await?;
        let judge = self.clone();
        let (violates, admission) =
            tokio::task::spawn_blocking(move || judge.admission(&change, &actor, enforcement)).await??;
        if let Some(why) = admission.refusal {
            return Ok(self.refuse(response, request, &why));
        }
        self.count(request, if violates { "warned" } else { "allowed" });
        let mut response = response;
        response.warnings = Some(admission.warnings).filter(|all| !all.is_empty());
        Ok(response)
    }

    /// Returns whether the change breaks a rule, and the answer.
    fn admission(&self, change: &Change, actor: &Actor, enforcement: Enforcement) -> anyhow::Result<(bool, Admission)> {
        let verdict = self.known(|index| judge_change(index, change, actor, Timestamp::now()))?;
        Ok((!verdict.is_allowed(), Admission::of(&verdict, actor, enforcement)))
    }

    /// Counts an answer, except to a dry run, which makes nothing.
    fn count(&self, request: &Request, answer: &'static str) {
        if !request.dry_run {
            self.metrics.admission(answer);
        }
    }

    /// Determines in which capacity a user makes a change; or why they may not act for a member.
    async fn actor(
        &self,
        request: &Request,
        reviewed: &Reviewed,
        place: &Place,
    ) -> anyhow::Result<Result<Actor, String>> {
        let user = user(&request.user_info);
        let stamp = reviewed.after.as_ref().and_then(stamp::present).filter(|stamp| stamp.user == user.name);
        if let Some(Capacity::For(address)) = stamp.map(|stamp| stamp.capacity) {
            let member = self.for_member(&user, &address, request.namespace.as_deref()).await?;
            return Ok(member.map(Actor::Member));
        }
        let address = address_of(&user.name, self.member_prefix.as_deref());
        Ok(Ok(self.rights.actor(&user, place, address).await.context(ASKING)?))
    }

    /// Returns the member for whom a user may act; or why they may not.
    async fn for_member(
        &self,
        user: &User,
        address: &str,
        namespace: Option<&str>,
    ) -> anyhow::Result<Result<Email, String>> {
        let field = format!("metadata.annotations[{ON_BEHALF_OF_ANNOTATION}]");
        let Ok(email) = Email::parse(address) else {
            return Ok(Err(format!("{field}: must be the address of a member, not {address:?}")));
        };
        if self.rights.has(user, Right::SpeakFor, namespace.map(Name::new)).await.context(ASKING)? {
            return Ok(Ok(email));
        }
        let name = &user.name;
        Ok(Err(format!("{field}: {name} may not act for members here (verb speak-for on accounts/authority)")))
    }

    fn known<R>(&self, read: impl FnOnce(&crate::state::Index) -> R) -> anyhow::Result<R> {
        self.knowledge.with(read).context("the objects of the cluster are not listed yet")
    }

    /// Refuses a request with status 403.
    fn refuse(&self, response: AdmissionResponse, request: &Request, why: &str) -> AdmissionResponse {
        self.count(request, "refused");
        let user = request.user_info.username.as_deref().filter(|_| self.log_addresses);
        tracing::info!(
            kind = request.kind.kind,
            namespace = request.namespace.as_deref(),
            name = request.name,
            operation = ?request.operation,
            user,
            "change refused"
        );
        let mut response = response.deny(why);
        response.result.code = 403;
        "Forbidden".clone_into(&mut response.result.reason);
        response
    }
}

fn with_patch(response: AdmissionResponse, patch: json_patch::Patch) -> anyhow::Result<AdmissionResponse> {
    if patch.is_empty() { Ok(response) } else { Ok(response.with_patch(patch)?) }
}

/// Obstacle to asking about rights.
const ASKING: &str = "cannot ask the API server what the user may do (needs create on subjectaccessreviews)";
