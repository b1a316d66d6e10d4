//! Exit codes, an error in one line, and the time that counts as now. Used by all commands.

use anyhow::Context as _;
use jiff::Timestamp;

use crate::cluster::api_error::causes;

/// A command did what it was asked to, and the answer is yes.
pub(super) const OK: u8 = 0;
/// A command did what it was asked to, and the answer is no.
pub(super) const NO: u8 = 1;
/// A command could not do what it was asked to; also clap's code for arguments it does not understand.
pub(super) const FAILED: u8 = 2;

/// The time; `ROSTER_NOW` stands in for it where output must not depend on the day.
pub(super) fn now() -> anyhow::Result<Timestamp> {
    match std::env::var("ROSTER_NOW") {
        Ok(text) => {
            text.parse().with_context(|| format!("ROSTER_NOW: {text:?} is no time such as 2026-12-31T00:00:00Z"))
        }
        Err(_) => Ok(Timestamp::now()),
    }
}

pub(super) fn one_line(error: &anyhow::Error) -> String {
    causes(error.chain().map(in_words))
}

/// One cause; of an API server's answer what it says, without the dump of the whole answer.
fn in_words(cause: &(dyn std::error::Error + 'static)) -> String {
    let status = match cause.downcast_ref::<kube::Error>() {
        Some(kube::Error::Api(status)) => Some(status.as_ref()),
        _ => cause.downcast_ref::<Box<kube::core::Status>>().map(AsRef::as_ref).or_else(|| cause.downcast_ref()),
    };
    match status {
        // Of a path that the server does not know at all, it says no more than this.
        Some(status) if status.code == 404 && status.message.contains("page not found") => {
            "the cluster does not know this kind; the definitions come with `roster crds | kubectl apply --server-side -f -`"
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
    fn of_an_answer_only_what_it_says() {
        let said = |code, message: &str| {
            let status = kube::core::Status { code, message: message.to_owned(), ..kube::core::Status::default() };
            let error = anyhow::Error::from(kube::Error::Api(Box::new(status))).context("cannot list accounts");
            one_line(&error)
        };
        assert_eq!(said(403, "accounts is forbidden"), "cannot list accounts: accounts is forbidden");
        let unknown = said(404, "404 page not found");
        assert!(unknown.starts_with("cannot list accounts: the cluster does not know this kind"), "{unknown}");
    }

    #[test]
    fn a_cause_is_said_once() {
        let error = anyhow::anyhow!("no such file").context("cannot read x: no such file");
        assert_eq!(one_line(&error), "cannot read x: no such file");
        let status = kube::core::Status::failure("no, never", "Forbidden");
        let error = Err::<(), _>(kube::Error::Api(Box::new(status))).context("cannot list accounts").unwrap_err();
        assert_eq!(one_line(&error), "cannot list accounts: no, never");
        let error = Err::<(), _>(anyhow::anyhow!("no such file")).context("cannot read x").unwrap_err();
        assert_eq!(one_line(&error), "cannot read x: no such file");
    }
}
