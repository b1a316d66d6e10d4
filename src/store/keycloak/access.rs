//! Who has access: asked by person, over all accounts.

use std::collections::BTreeSet;

use futures::{StreamExt, TryStreamExt, stream};

use super::{look::Wanted, realm::Realm, wire::CONCURRENCY};
use crate::{
    model::{AccountKey, Email},
    store::StoreError,
};

impl Realm {
    /// Returns the accounts in which somebody with one of these addresses holds a client role, by whatever way. No end and
    /// no time that we once noted counts, and of several users with one address each does.
    pub(super) async fn with_access(
        &self,
        accounts: Vec<AccountKey>,
        who: &[Email],
    ) -> Result<Vec<(AccountKey, Email)>, StoreError> {
        let wanted = Wanted::Members(who.iter().cloned().collect());
        let looks = stream::iter(accounts).map(|account| self.with_access_to(account, &wanted));
        let found: Vec<Vec<(AccountKey, Email)>> = looks.buffered(CONCURRENCY).try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }

    async fn with_access_to(
        &self,
        account: AccountKey,
        wanted: &Wanted,
    ) -> Result<Vec<(AccountKey, Email)>, StoreError> {
        let found = self.look(&account, wanted).await?.found;
        let people = found.people.into_values().chain(found.beside);
        let with: BTreeSet<Email> =
            people.filter(|person| !person.effective.is_empty()).map(|person| person.address()).collect();
        Ok(with.into_iter().map(|email| (account.clone(), email)).collect())
    }
}
