//! Answers of the API server that are no success: what they mean, in words and for what is to be done.

use kube::{Error, core::Status};

use crate::control::ApiFault;

/// What to do about credentials that are not accepted.
const CREDENTIALS: &str = "renew its token or kubeconfig";
/// What to do about a right that is missing.
const RIGHTS: &str = "give the controller's account its rights: the chart's ClusterRole and Role, bound to it";

/// What is said when there is none.
pub use crate::control::NO_ANSWER as NONE;

/// What the API server said; `Display` adds a dump of the whole answer.
#[must_use]
pub fn said(error: &Error) -> String {
    match error {
        Error::Api(status) => status.message.clone(),
        other => other.to_string(),
    }
}

/// What it said, and what to do where that is plain.
#[must_use]
pub fn advised(error: &Error) -> String {
    match error {
        Error::Api(status) if status.code == 401 => {
            format!("the API server does not accept this controller's credentials ({}); {CREDENTIALS}", status.message)
        }
        Error::Api(status) if lacks_right(status) => format!("{}; {RIGHTS}", status.message),
        Error::Api(status) => status.message.clone(),
        other => {
            let chain = std::iter::successors(Some(other as &dyn std::error::Error), |error| error.source());
            format!("{NONE}: {}", causes(chain.map(ToString::to_string)))
        }
    }
}

/// An error with all its causes, each said once: some of the outer ones say little, and some repeat the inner ones.
#[must_use]
pub fn causes(chain: impl Iterator<Item = String>) -> String {
    chain.fold(String::new(), |said, cause| match cause {
        _ if said.is_empty() => cause,
        cause if said.contains(&cause) => said,
        cause => format!("{said}: {cause}"),
    })
}

/// What is said to one who lacks a right, or credentials; nothing for other answers. Those who decide about single objects
/// refuse, too, but with rights that has nothing to do.
#[must_use]
pub fn refusal(error: &Error) -> Option<String> {
    match error {
        Error::Api(status) if status.code == 401 || lacks_right(status) => Some(advised(error)),
        _ => None,
    }
}

/// Returns a failure as data.
#[must_use]
pub fn fault(error: &Error) -> ApiFault {
    ApiFault { code: code(error), said: said(error), lacks_right: refusal(error) }
}

/// As the API server says it, whoever decides about rights: `… is forbidden: User "…" cannot list resource "…" in …`.
fn lacks_right(status: &Status) -> bool {
    status.code == 403 && status.message.contains("is forbidden: User ")
}

/// The code of an answer; nothing where there was none.
#[must_use]
pub fn code(error: &Error) -> Option<u16> {
    match error {
        Error::Api(status) => Some(status.code),
        _ => None,
    }
}

/// It is not there, or not any more.
#[must_use]
pub fn is_gone(error: &Error) -> bool {
    code(error) == Some(404)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(code: u16, message: &str) -> Error {
        Error::Api(Box::new(Status { code, message: message.to_owned(), ..Status::default() }))
    }

    #[test]
    fn a_missing_right_is_told_from_a_webhooks_refusal() {
        let right = answer(403, "accounts.roster.dev is forbidden: User \"r\" cannot list resource \"accounts\"");
        assert!(refusal(&right).unwrap().ends_with(RIGHTS));
        for message in [
            "admission webhook \"policy.example\" denied the request: the label team cannot be empty",
            "memberships.roster.dev \"ann\" is forbidden: ValidatingAdmissionPolicy 'p' denied request: no",
        ] {
            let webhook = answer(403, message);
            assert_eq!(refusal(&webhook), None);
            assert_eq!(advised(&webhook), message);
        }
    }

    #[test]
    fn the_cause_of_an_error_is_said_once() {
        let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        assert_eq!(causes([refused.to_string()].into_iter()), "connection refused");
        let error = Error::Service(Box::new(refused));
        let said = advised(&error);
        assert!(said.starts_with(NONE) && said.matches("connection refused").count() == 1, "{said}");
    }

    #[test]
    fn credentials_that_are_not_accepted_are_said_without_a_dump() {
        let said = advised(&answer(401, "Unauthorized"));
        assert!(said.contains("(Unauthorized); renew its token or kubeconfig"), "{said}");
        assert!(!said.contains("Status {"), "{said}");
    }
}
