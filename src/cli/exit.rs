//! Exit codes, an error in one line, and the time that counts as now. Used by all commands.

use anyhow::Context as _;
use jiff::Timestamp;

use crate::cluster::api_error::causes;

/// Exit code for success, or for the answer yes.
pub(super) const OK: u8 = 0;
/// Exit code for the answer no.
pub(super) const NO: u8 = 1;
/// Exit code for errors; clap uses it for invalid arguments, too.
pub(super) const FAILED: u8 = 2;

/// Returns the time, or `ROSTER_NOW` if set, so that output does not depend on the day.
pub(super) fn now() -> anyhow::Result<Timestamp> {
    match std::env::var("ROSTER_NOW") {
        Ok(text) => text
            .parse()
            .with_context(|| format!("ROSTER_NOW: {text:?} is not a valid time such as 2026-12-31T00:00:00Z")),
        Err(_) => Ok(Timestamp::now()),
    }
}

pub(super) fn one_line(error: &anyhow::Error) -> String {
    causes(error.chain().map(in_words))
}

/// Returns one cause as text; of an API server's error, only its message.
fn in_words(cause: &(dyn std::error::Error + 'static)) -> String {
    let status = match cause.downcast_ref::<kube::Error>() {
        Some(kube::Error::Api(status)) => Some(status.as_ref()),
        _ => cause.downcast_ref::<Box<kube::core::Status>>().map(AsRef::as_ref).or_else(|| cause.downcast_ref()),
    };
    match status {
        // The API server's only message for an unknown path.
        Some(status) if status.code == 404 && status.message.contains("page not found") => {
            "the cluster does not have this kind; install the definitions with `roster crds | kubectl apply \
             --server-side -f -`"
                .to_owned()
        }
        Some(status) if !status.message.is_empty() => status.message.clone(),
        _ => cause.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_api_error_shows_only_its_message() {
        let exit_message = |code, message: &str| {
            let status = kube::core::Status { code, message: message.to_owned(), ..kube::core::Status::default() };
            let error = anyhow::Error::from(kube::Error::Api(Box::new(status))).context("cannot list accounts");
            one_line(&error)
        };
        assert_eq!(exit_message(403, "accounts is forbidden"), "cannot list accounts: accounts is forbidden");
        let unknown = exit_message(404, "404 page not found");
        assert!(unknown.starts_with("cannot list accounts: the cluster does not have this kind"), "{unknown}");
    }

    #[test]
    fn a_cause_is_printed_once() {
        let error = anyhow::anyhow!("no such file").context("cannot read x: no such file");
        assert_eq!(one_line(&error), "cannot read x: no such file");
        let status = kube::core::Status::failure("no, never", "Forbidden");
        let error = Err::<(), _>(kube::Error::Api(Box::new(status))).context("cannot list accounts").unwrap_err();
        assert_eq!(one_line(&error), "cannot list accounts: no, never");
        let error = Err::<(), _>(anyhow::anyhow!("no such file")).context("cannot read x").unwrap_err();
        assert_eq!(one_line(&error), "cannot read x: no such file");
    }
}
