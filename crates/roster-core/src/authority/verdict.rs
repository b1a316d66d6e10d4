//! Defines verdicts, and says them in sentences. Read by the command line, the webhook and the controller.

use std::fmt;

use crate::{
    api::{AdministrationAction, AdministrationRule},
    model::{AccountKey, Email, Name, RoleName, counted, first_of},
};

/// Maximum number of names in one sentence.
const SHOWN: usize = 5;

/// Answer to whether an actor may make a change, and what it would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Rules that the change breaks; empty if the actor may make it.
    pub violations: Vec<Violation>,
    /// What people gain and lose by the change, by account and address. Suspension, blocks and times are left out: somebody
    /// suspended who gains a permission has it once they are not suspended any more.
    pub effects: Vec<Effect>,
}

impl Verdict {
    /// Returns whether the actor may make the change.
    #[must_use]
    pub const fn is_allowed(&self) -> bool {
        self.violations.is_empty()
    }

    /// Returns whether nothing that the change grants may take effect. `false` for a change that only takes away, whoever
    /// makes it: a revocation always gets through.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.violations.iter().any(Violation::widens)
    }
}

/// Person, role or group that a change concerns.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// A person.
    Person(Email),
    /// A role, whoever holds it.
    Role(RoleName),
    /// A group, whoever is in it.
    Group(Name),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Person(email) => write!(f, "{email}"),
            Self::Role(role) => write!(f, "role {role}"),
            Self::Group(group) => write!(f, "group {group}"),
        }
    }
}

/// Rule that a change breaks: field, what is wrong, and who could do it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Violation {
    /// The account does not exist, or does not resolve as a whole, so that nobody can say what the change grants.
    NotJudgeable {
        /// The account.
        account: AccountKey,
        /// Whether the account exists.
        exists: bool,
        /// Whether the change could grant something.
        widens: bool,
    },
    /// Only administrators may change this.
    OnlyAdministrators {
        /// Path of the field, or `metadata` for the whole object.
        field: String,
        /// Whether it lets people do more, now or later.
        widens: bool,
    },
    /// The actor lacks what the catalog demands for an action.
    ActionNotAllowed {
        /// Path of the field that shows the action.
        field: &'static str,
        /// The action.
        action: AdministrationAction,
        /// Account in which the actor must hold it.
        account: AccountKey,
        /// What the catalog demands; `None` if it leaves the action to administrators.
        rule: Option<AdministrationRule>,
        /// The actor.
        actor: Email,
        /// Whether the change also grants something.
        widens: bool,
    },
    /// The change grants more than the actor may grant.
    MoreThanHeld {
        /// Who or what gets this level, sorted.
        subjects: Vec<Subject>,
        /// The section.
        section: Name,
        /// The level that it grants.
        level: Name,
        /// Highest level that the actor may grant there.
        most: Name,
        /// Number of further sections with more than the actor may grant.
        others: usize,
        /// The actor; `None` for a pipeline.
        actor: Option<Email>,
    },
    /// The change names what does not exist or may not be used here, and would grant something once it does.
    Promise {
        /// Field and fault, as the object's condition says it.
        fault: String,
    },
    /// Objects of an Account were there before it, and would have effect at once.
    ObjectsBeforeAccount {
        /// The account.
        account: AccountKey,
    },
    /// The change gives a predefined role that the catalog's administration names, and that the actor does not hold.
    RoleNotHeld {
        /// Who or what gets it, sorted.
        subjects: Vec<Subject>,
        /// The role.
        role: Name,
        /// The actor; `None` for a pipeline.
        actor: Option<Email>,
    },
    /// The actor would raise themselves.
    OwnAccess {
        /// The actor.
        actor: Email,
    },
    /// The change concerns somebody who holds more than the actor.
    HoldsMore {
        /// The people concerned, sorted.
        people: Vec<Email>,
        /// What the first of them holds and the actor does not, such as `billing: Edit`.
        what: String,
        /// The actor.
        actor: Email,
    },
    /// The change concerns the owner, whom only administrators change.
    Owner {
        /// Path of the field.
        field: &'static str,
        /// The owner.
        owner: Email,
    },
    /// A lift that makes equal to the owner stands beside restrictions that it would take away.
    LiftBesideRestrictions {
        /// The lifted restriction.
        lifted: Name,
        /// The applied restrictions.
        applied: Vec<Name>,
    },
    /// One person would hold what the catalog keeps apart.
    Separation {
        /// The person.
        person: Email,
        /// What they would hold of what is kept apart.
        holds: Vec<String>,
        /// Maximum number of these that one person may hold.
        maximum: u32,
        /// The catalog's own words for the rule.
        message: Option<String>,
    },
    /// An Account must belong to whoever creates it.
    ForeignOwner {
        /// The actor.
        actor: Email,
    },
    /// The user is no administrator, no service account, and no member whose address is known.
    UnknownActor {
        /// Name of the user.
        user: String,
    },
}

impl Violation {
    /// Returns whether the change lets somebody do more, so that the controller must not let it take effect.
    #[must_use]
    pub const fn widens(&self) -> bool {
        match self {
            Self::NotJudgeable { widens, .. }
            | Self::OnlyAdministrators { widens, .. }
            | Self::ActionNotAllowed { widens, .. } => *widens,
            Self::MoreThanHeld { .. }
            | Self::Promise { .. }
            | Self::ObjectsBeforeAccount { .. }
            | Self::RoleNotHeld { .. }
            | Self::OwnAccess { .. }
            | Self::LiftBesideRestrictions { .. }
            | Self::Separation { .. }
            | Self::ForeignOwner { .. }
            | Self::UnknownActor { .. } => true,
            // A Membership of the owner grants nothing, and taking away is no widening.
            Self::HoldsMore { .. } | Self::Owner { .. } => false,
        }
    }
}

impl Violation {
    /// Returns what the change gives, without whose business that would be; `None` where the rule is about something else.
    pub(super) fn given(&self) -> Option<String> {
        match self {
            Self::MoreThanHeld { subjects, section, level, others, .. } => {
                let more =
                    if *others == 0 { String::new() } else { format!(", and more in {}", counted(*others, "section")) };
                Some(format!("spec: this gives {} {section}: {level}{more}", first_of(subjects, SHOWN)))
            }
            Self::RoleNotHeld { subjects, role, .. } => Some(format!(
                "spec: this gives {} the role {role}, by which the catalog lets people administer",
                first_of(subjects, SHOWN)
            )),
            _ => None,
        }
    }
}

/// Returns what an administration rule demands, in words.
fn demanded(rule: &AdministrationRule) -> String {
    match (&rule.section, &rule.level) {
        (Some(section), Some(level)) => format!("{section}: {level}"),
        _ if rule.roles.len() == 1 => format!("the role {}", rule.roles.join("")),
        _ => format!("one of the roles {}", rule.roles.join(", ")),
    }
}

/// Returns an action in words, as what somebody does.
const fn in_words(action: AdministrationAction) -> &'static str {
    use AdministrationAction as Action;
    match action {
        Action::CreateMembers => "adding members",
        Action::EditMembers => "changing members",
        Action::DeleteMembers => "removing members",
        Action::CreateGroups => "creating groups",
        Action::EditGroups => "changing groups",
        Action::DeleteGroups => "deleting groups",
        Action::CreateRoles => "creating roles",
        Action::EditRoles => "changing roles",
        Action::DeleteRoles => "deleting roles",
        Action::Invite => "inviting people",
        Action::AssignRoles => "assigning roles, groups and restrictions",
        Action::EditOwnDetails => "changing one's own details",
        Action::CreateManagedAccounts => "creating managed accounts",
        Action::OnboardManagedUsers => "adding people to managed accounts",
        Action::AssignManagedRoles => "assigning roles in managed accounts",
        Action::ApproveAccounts => "approving managed accounts",
    }
}

/// Says that an actor gives a role by which people administer and that they do not hold.
fn role_not_held(f: &mut fmt::Formatter<'_>, subjects: &[Subject], role: &Name, actor: Option<&Email>) -> fmt::Result {
    write!(
        f,
        "spec: this gives {} the role {role}, by which the catalog lets people administer",
        first_of(subjects, SHOWN)
    )?;
    match actor {
        Some(actor) => {
            write!(f, ", and {actor} does not hold it; whoever holds it, or an administrator, can do this")
        }
        None => write!(f, ", and the pipeline may not grant it; an administrator can do this"),
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotJudgeable { account, exists: false, .. } => {
                write!(f, "spec.accountRef: account {account} does not exist; apply the Account first")
            }
            Self::NotJudgeable { account, exists: true, .. } => write!(
                f,
                "spec.accountRef: account {account} does not resolve, so that nobody can say what this grants; correct the \
                 Account first, or ask an administrator"
            ),
            Self::OnlyAdministrators { field, .. } => {
                write!(f, "{field}: only an administrator may change this (verb administer on accounts/authority)")
            }
            Self::ActionNotAllowed { field, action, account, rule, actor, .. } => {
                write!(f, "{field}: {} ", in_words(*action))?;
                match rule {
                    None => {
                        write!(f, "is left to administrators: the catalog has no administration rule for {action:?}")
                    }
                    Some(rule) => write!(
                        f,
                        "in account {account} needs {0}, which {actor} does not hold; whoever holds {0}, or an administrator, can \
                         do this",
                        demanded(rule)
                    ),
                }
            }
            Self::MoreThanHeld { subjects, section, level, most, others, actor } => {
                write!(f, "spec: this gives {} {section}: {level}", first_of(subjects, SHOWN))?;
                match actor {
                    Some(actor) => write!(f, ", and {actor} may grant at most {section}: {most}")?,
                    None => write!(f, ", and the pipeline may grant at most {section}: {most}")?,
                }
                match others {
                    0 => {}
                    1 => write!(f, "; the same holds for one more section")?,
                    others => write!(f, "; the same holds for {others} more sections")?,
                }
                match actor {
                    Some(_) => write!(f, "; whoever holds {section}: {level}, or an administrator, can do this"),
                    None => write!(f, "; an administrator can do this, or let the pipeline grant a role that has it"),
                }
            }
            Self::Promise { fault } => write!(f, "{fault}; correct it, or apply what it names first"),
            Self::ObjectsBeforeAccount { account } => write!(
                f,
                "metadata.name: objects of account {account} exist already, or it is approved already; delete these first, or ask \
                 an administrator"
            ),
            Self::RoleNotHeld { subjects, role, actor } => role_not_held(f, subjects, role, actor.as_ref()),
            Self::OwnAccess { actor } => {
                write!(
                    f,
                    "spec: {actor} cannot raise their own access; somebody else who may, or an administrator, can do this"
                )
            }
            Self::HoldsMore { people, what, actor } => {
                let names = first_of(people, SHOWN);
                let verb = if people.len() == 1 { "holds" } else { "hold" };
                write!(
                    f,
                    "spec: {names} {verb} more than {actor} ({what}); whoever holds as much, or an administrator, can do \
                     this"
                )
            }
            Self::Owner { field, owner } => {
                write!(f, "{field}: {owner} is the account's owner, whom only an administrator changes")
            }
            Self::LiftBesideRestrictions { lifted, applied } => write!(
                f,
                "spec.restrictions: lifting {lifted} makes this person equal to the owner, so that no restriction can be applied \
                 beside it; remove {} from spec.restrictions.apply",
                first_of(applied, SHOWN)
            ),
            Self::Separation { person, holds, maximum, message } => {
                let holds = first_of(holds, SHOWN);
                write!(f, "spec: {person} would hold {holds}, and one person may hold at most {maximum} of these")?;
                message.as_ref().map_or(Ok(()), |message| write!(f, ": {}", message.trim_end_matches('.')))
            }
            Self::ForeignOwner { actor } => {
                write!(
                    f,
                    "spec.owner: the owner must be {actor}, who creates the account; an administrator can name somebody else"
                )
            }
            Self::UnknownActor { user } => write!(
                f,
                "metadata: user {user} is neither an administrator of access (verb administer on accounts/authority) nor a member \
                 with an address that Roster knows; an administrator can do this"
            ),
        }
    }
}

/// Levels that one person gains and loses in one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    /// The account.
    pub account: AccountKey,
    /// The person.
    pub email: Email,
    /// Sections in which they can do more, with the new level.
    pub gains: Vec<(Name, Name)>,
    /// Sections in which they can do less, with the level that they lose and the one that is left, if it is any access.
    pub loses: Vec<(Name, Name, Option<Name>)>,
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gains: Vec<String> = self.gains.iter().map(|(section, level)| format!("{section}: {level}")).collect();
        let loses = self.loses.iter().map(|(section, level, left)| {
            let left = left.as_ref().map(|left| format!(" (keeps {left})"));
            format!("{section}: {level}{}", left.unwrap_or_default())
        });
        write!(f, "{}", self.email)?;
        if !self.gains.is_empty() {
            write!(f, " gains {}", first_of(&gains, SHOWN))?;
        }
        if !self.loses.is_empty() {
            let and = if self.gains.is_empty() { "" } else { " and" };
            write!(f, "{and} loses {}", first_of(&loses.collect::<Vec<_>>(), SHOWN))?;
        }
        Ok(())
    }
}
