//! Returns the findings of a store alone, without any account. Called by reports and by `roster validate`.

use std::collections::HashSet;

use crate::{
    api::BlockedUser,
    model::{Email, FieldPath, FindingKind, Findings, FindingsBuilder, KindName, WithoutEffect},
    state::StoreFacts,
};

impl StoreFacts {
    /// Returns advice on addresses that the store blocks more than once, in different spellings. The API server refuses
    /// the same spelling twice.
    #[must_use]
    pub fn findings(&self) -> Findings {
        let mut findings = FindingsBuilder::new(KindName::IdentityStore, "", &self.name);
        let mut seen = HashSet::new();
        for (index, user) in self.spec.blocked.iter().enumerate() {
            let Ok(email) = Email::parse(&user.email) else { continue };
            let is_same = |other: &BlockedUser| other.email == user.email;
            if !seen.insert(email.clone()) && !self.spec.blocked[..index].iter().any(is_same) {
                let field = FieldPath::spec("blocked").item(&index.to_string());
                findings.add(field, FindingKind::WithoutEffect(Box::new(WithoutEffect::Block(email))));
            }
        }
        findings.finish()
    }
}
