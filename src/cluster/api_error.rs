//! Errors of the API server: their message, and the remedy if it is known. Called by the other modules of `cluster`,
//! the controller and the command line.

use kube::{Error, core::Status};

use crate::control::ApiFault;

/// Remedy for rejected credentials.
const CREDENTIALS: &str = "renew its token or kubeconfig";
/// Remedy for a missing right.
const RIGHTS: &str = "give the controller's account its rights: the chart's ClusterRole and Role, bound to it";

/// Message used when the API server does not respond.
pub use crate::control::NO_ANSWER as NONE;

/// Returns the API server's message. `Display` would add a dump of the whole response.
#[must_use]
pub fn message(error: &Error) -> String {
    match error {
        Error::Api(status) => status.message.clone(),
        other => other.to_string(),
    }
}

/// Returns the message, with the remedy if it is known.
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

/// Joins an error and its causes, each text once: some outer errors say little, and some repeat the inner ones.
#[must_use]
pub fn causes(chain: impl Iterator<Item = String>) -> String {
    chain.fold(String::new(), |text, cause| match cause {
        _ if text.is_empty() => cause,
        cause if text.contains(&cause) => text,
        cause => format!("{text}: {cause}"),
    })
}

/// Returns the message if the API server denied access (401, or 403 by missing rights); `None` otherwise. Admission can
/// refuse an object with 403, too, but that has nothing to do with rights.
#[must_use]
pub fn refusal(error: &Error) -> Option<String> {
    match error {
        Error::Api(status) if status.code == 401 || lacks_right(status) => Some(advised(error)),
        _ => None,
    }
}

/// Converts an error for the controller's loop.
#[must_use]
pub fn fault(error: &Error) -> ApiFault {
    ApiFault { code: code(error), message: message(error), lacks_right: refusal(error) }
}

/// Returns whether a right is missing. All authorizers give the same message: `… is forbidden: User "…" cannot list
/// resource "…" in …`.
fn lacks_right(status: &Status) -> bool {
    status.code == 403 && status.message.contains("is forbidden: User ")
}

/// Returns the HTTP status code; `None` if there was no response.
#[must_use]
pub fn code(error: &Error) -> Option<u16> {
    match error {
        Error::Api(status) => Some(status.code),
        _ => None,
    }
}

/// Returns whether the object does not exist (404).
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
    fn a_missing_right_differs_from_a_refusal_by_a_webhook() {
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
    fn the_cause_of_an_error_is_printed_once() {
        let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        assert_eq!(causes([refused.to_string()].into_iter()), "connection refused");
        let error = Error::Service(Box::new(refused));
        let text = advised(&error);
        assert!(text.starts_with(NONE) && text.matches("connection refused").count() == 1, "{text}");
    }

    #[test]
    fn rejected_credentials_are_reported_briefly() {
        let text = advised(&answer(401, "Unauthorized"));
        assert!(text.contains("(Unauthorized); renew its token or kubeconfig"), "{text}");
        assert!(!text.contains("Status {"), "{text}");
    }
}
