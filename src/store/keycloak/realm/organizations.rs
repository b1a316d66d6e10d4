//! Organizations of the realm and their members. Called by `KeycloakStore`, `snapshot`, `find`, `access`, `account`
//! and `people`.

use keycloak::types::{MemberRepresentation, MembershipType, OrganizationRepresentation, UserRepresentation};

use super::Realm;
use crate::store::{StoreError, keycloak::names::KIND};

impl Realm {
    /// Returns the organization with this name.
    pub(crate) async fn organization(&self, name: &str) -> Result<Option<OrganizationRepresentation>, StoreError> {
        let admin = self.admin();
        let found = self.wire.call("looking for an organization", || {
            admin.organizations_get().brief_representation(false).exact(true).search(name.to_owned()).into_future()
        });
        Ok(found.await?.into_iter().find(|organization| organization.name.as_deref() == Some(name)))
    }

    /// Returns whether there is an organization with this id.
    pub(crate) async fn is_organization(&self, id: &str) -> Result<bool, StoreError> {
        let (admin, realm) = (&self.wire.admin, self.name());
        let read = || admin.realm_organizations_with_org_id_get(realm, id);
        Ok(!id.is_empty() && self.wire.find("reading an organization", read).await?.is_some())
    }

    /// Returns all organizations that carry Roster's kind attribute.
    pub(crate) async fn organizations(&self) -> Result<Vec<OrganizationRepresentation>, StoreError> {
        let lists = self.lists();
        let query = format!("{}:{}", KIND.0, KIND.1);
        let page = |first, max| {
            lists.organizations_get().brief_representation(false).q(query.clone()).first(first).max(max).into_future()
        };
        self.wire.pages("listing organizations", page).await
    }

    /// Returns the members of an organization, each with the kind of membership.
    pub(crate) async fn organization_members(
        &self,
        organization: &str,
    ) -> Result<Vec<(UserRepresentation, MembershipType)>, StoreError> {
        if organization.is_empty() {
            return Ok(Vec::new());
        }
        let lists = self.lists();
        let page = |first, max| {
            let members = lists.organizations_with_org_id_members_get(organization);
            members.brief_representation(false).first(first).max(max).into_future()
        };
        let members = self.wire.users("listing members", page).await?;
        Ok(members.into_iter().map(|member| (type_of(&member), member)).map(|(how, it)| (user_of(it), how)).collect())
    }

    /// Returns the number of members of an organization.
    pub(crate) async fn member_count(&self, organization: &str) -> Result<u64, StoreError> {
        let count = self.wire.find("counting members", || {
            self.wire.admin.realm_organizations_with_org_id_members_count_get(self.name(), organization)
        });
        Ok(u64::try_from(count.await?.unwrap_or(0)).unwrap_or(0))
    }

    /// Returns a user's kind of membership in an organization; `None` if there is none.
    pub(crate) async fn membership(
        &self,
        organization: &str,
        user: &str,
    ) -> Result<Option<MembershipType>, StoreError> {
        if organization.is_empty() {
            return Ok(None);
        }
        let member = self.wire.find("looking for a member", || {
            self.wire.admin.realm_organizations_with_org_id_members_with_member_id_get(self.name(), organization, user)
        });
        Ok(member.await?.as_ref().map(type_of))
    }
}

/// Returns a member's kind of membership. If Keycloak omits it, the member counts as managed and is left in place.
fn type_of(member: &MemberRepresentation) -> MembershipType {
    member.membership_type.clone().unwrap_or(MembershipType::Managed)
}

fn user_of(member: MemberRepresentation) -> UserRepresentation {
    UserRepresentation {
        id: member.id,
        username: member.username,
        email: member.email,
        email_verified: member.email_verified,
        enabled: member.enabled,
        first_name: member.first_name,
        last_name: member.last_name,
        attributes: member.attributes,
        ..UserRepresentation::default()
    }
}
