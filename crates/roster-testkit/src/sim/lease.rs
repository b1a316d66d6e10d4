//! Leases of the API server: objects with a version, which change by compare-and-set. Used by `cluster`.

use std::collections::BTreeMap;

use k8s_openapi::api::coordination::v1::Lease;
use roster_core::control::{
    ApiFault,
    leases::{LeaseAnswer, LeaseRequest},
};

/// Leases of the controller's namespace, by name.
#[derive(Debug, Default)]
pub struct Leases {
    by_name: BTreeMap<String, Lease>,
    version: u64,
    given: u64,
}

fn fault(code: u16, message: &str) -> ApiFault {
    ApiFault { code: Some(code), message: message.to_owned(), lacks_right: None }
}

impl Leases {
    /// Returns the current version of a Lease.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Lease> {
        self.by_name.get(name)
    }

    /// Carries out a request.
    ///
    /// # Errors
    /// 404 if there is no such Lease, 409 if it has another version or UID, or already exists when it is created.
    pub fn carry_out(&mut self, request: &LeaseRequest) -> Result<LeaseAnswer, ApiFault> {
        match request {
            LeaseRequest::List => Ok(LeaseAnswer::Listed(self.by_name.values().cloned().collect())),
            LeaseRequest::Get(name) => Ok(LeaseAnswer::Found(self.by_name.get(name).cloned().map(Box::new))),
            LeaseRequest::Create(lease) => {
                let name = lease.metadata.name.clone().unwrap_or_default();
                if self.by_name.contains_key(&name) {
                    return Err(fault(409, "the lease exists already"));
                }
                self.given += 1;
                let mut lease = lease.as_ref().clone();
                lease.metadata.uid = Some(format!("lease-{}", self.given));
                Ok(self.put(name, lease))
            }
            LeaseRequest::Replace(lease) => {
                let (meta, name) = (&lease.metadata, lease.metadata.name.clone().unwrap_or_default());
                self.expect(&name, meta.uid.as_ref(), meta.resource_version.as_ref())?;
                Ok(self.put(name, lease.as_ref().clone()))
            }
            LeaseRequest::Delete { name, uid, version } => {
                self.expect(name, uid.as_ref(), version.as_ref())?;
                self.by_name.remove(name);
                Ok(LeaseAnswer::Deleted)
            }
        }
    }

    fn expect(&self, name: &str, uid: Option<&String>, version: Option<&String>) -> Result<(), ApiFault> {
        let Some(lease) = self.by_name.get(name) else { return Err(fault(404, "the lease is not found")) };
        let differs = |wanted: Option<&String>, is: Option<&String>| wanted.is_some() && wanted != is;
        if differs(uid, lease.metadata.uid.as_ref()) || differs(version, lease.metadata.resource_version.as_ref()) {
            return Err(fault(409, "the lease has been modified"));
        }
        Ok(())
    }

    fn put(&mut self, name: String, mut lease: Lease) -> LeaseAnswer {
        self.version += 1;
        lease.metadata.resource_version = Some(self.version.to_string());
        self.by_name.insert(name, lease.clone());
        LeaseAnswer::Written(Box::new(lease))
    }
}
