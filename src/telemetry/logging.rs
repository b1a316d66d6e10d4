//! Logs: for people on a terminal, JSON lines otherwise; always on standard error, which leaves standard output to
//! what a command answers.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

/// What is logged when nobody says otherwise.
const DEFAULT_FILTER: &str = "info";

/// The filter cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the log filter {filter:?}: {source}")]
pub struct LogFilterError {
    filter: String,
    source: tracing_subscriber::filter::ParseError,
}

/// Starts logging. `filter` is written as in `RUST_LOG`, for example `info,roster=debug`. Later calls change nothing.
///
/// # Errors
/// When the filter cannot be read.
pub fn init_logging(filter: Option<&str>) -> Result<(), LogFilterError> {
    let filter = filter.filter(|filter| !filter.trim().is_empty()).unwrap_or(DEFAULT_FILTER);
    let env_filter =
        EnvFilter::try_new(filter).map_err(|source| LogFilterError { filter: filter.to_owned(), source })?;
    let builder = tracing_subscriber::fmt().with_env_filter(env_filter).with_writer(std::io::stderr);
    // An error means that somebody else (a test) logs already.
    let _ = if std::io::stderr().is_terminal() {
        let colours = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        builder.with_ansi(colours).with_target(false).try_init()
    } else {
        builder.json().flatten_event(true).with_span_list(false).try_init()
    };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_cannot_be_read_is_named() {
        let error = init_logging(Some("roster=loud")).unwrap_err();
        assert!(error.to_string().starts_with("cannot read the log filter \"roster=loud\": "), "{error}");
    }

    #[test]
    fn an_empty_filter_is_none() {
        init_logging(Some(" ")).unwrap();
    }
}
