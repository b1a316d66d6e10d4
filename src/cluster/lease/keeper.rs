//! Keeping a Lease that was taken, and giving it back.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{Contender, NOTE, Note, UNCLEAN, Until, epoch, holder, locked, now, params};
use crate::cluster::api_error::{is_conflict, is_gone, said};

/// Renews the Lease while this process holds it.
pub(super) struct Keeper {
    pub contender: Contender,
    pub lease: Lease,
    pub until: Until,
    pub note: Note,
    pub clean: Arc<AtomicBool>,
    pub lost: CancellationToken,
    pub ended: CancellationToken,
    pub stop: CancellationToken,
}

impl Keeper {
    pub(super) async fn run(mut self) {
        let timing = self.contender.timing();
        let why = loop {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return self.give_up().await,
                () = sleep(timing.retry) => {}
            }
            let left = locked(&self.until).saturating_duration_since(Instant::now());
            if left.is_zero() {
                break "it could not be renewed in time".to_owned();
            }
            let asked = Instant::now();
            // Two attempts fit in, should the first one hang.
            match timeout(left.min(timing.deadline / 2), self.renew()).await {
                Ok(Ok(true)) => *locked(&self.until) = asked + timing.deadline,
                Ok(Ok(false)) => break "somebody took or deleted it".to_owned(),
                // Also a refusal may pass: an API server that has just started knows no rights yet.
                Ok(Err(error)) => tracing::warn!(error = said(&error), "cannot renew the lease; trying again"),
                Err(_) => tracing::warn!("no answer to the renewal of the lease; trying again"),
            }
        };
        self.lost.cancel();
        self.ended.cancel();
        tracing::error!(lease = self.contender.name(), why, "lost the lease");
    }

    /// Whether it is ours and renewed.
    async fn renew(&mut self) -> Result<bool, kube::Error> {
        match self.put(self.contender.renewed(self.spec())).await {
            Ok(()) => Ok(true),
            Err(error) if is_gone(&error) => Ok(false),
            Err(error) if is_conflict(&error) => {
                // An annotation is no loss, and neither is a renewal whose answer got lost.
                let found = self.contender.api().get_opt(self.contender.name()).await?;
                let Some(lease) = found else { return Ok(false) };
                let ours = holder(&lease).is_some_and(|holder| holder == self.contender.identity())
                    && lease.metadata.uid == self.lease.metadata.uid
                    && epoch(&lease) == epoch(&self.lease);
                if !ours {
                    return Ok(false);
                }
                self.lease = lease;
                self.put(self.contender.renewed(self.spec())).await.map(|()| true)
            }
            Err(error) => Err(error),
        }
    }

    async fn give_up(mut self) {
        self.lost.cancel();
        let spec = LeaseSpec { holder_identity: None, renew_time: Some(MicroTime(now())), ..self.spec() };
        let name = self.contender.name().to_owned();
        if !self.clean.load(Ordering::Relaxed) {
            let annotations = self.lease.metadata.annotations.get_or_insert_with(BTreeMap::new);
            annotations.insert(UNCLEAN.to_owned(), "true".to_owned());
        }
        match timeout(self.contender.timing().retry, self.put(spec)).await {
            Ok(Ok(())) => tracing::info!(lease = name, "gave the lease back"),
            Ok(Err(error)) => {
                tracing::warn!(
                    lease = name,
                    error = said(&error),
                    "cannot give the lease back; a successor waits until it expires"
                );
            }
            Err(_) => {
                tracing::warn!(lease = name, "no answer to giving the lease back; a successor waits until it expires");
            }
        }
    }

    fn spec(&self) -> LeaseSpec {
        self.lease.spec.clone().unwrap_or_default()
    }

    async fn put(&mut self, spec: LeaseSpec) -> Result<(), kube::Error> {
        let mut lease = Lease { spec: Some(spec), ..self.lease.clone() };
        if let Some(note) = locked(&self.note).clone() {
            lease.metadata.annotations.get_or_insert_with(BTreeMap::new).insert(NOTE.to_owned(), note);
        }
        self.lease = self.contender.api().replace(self.contender.name(), &params(), &lease).await?;
        Ok(())
    }
}
