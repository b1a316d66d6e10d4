//! Sets up logging: text on a terminal, JSON lines otherwise. Called by `cli::main` for all commands; logs go to
//! standard error, so that standard output contains only the result of a command.

use std::io::IsTerminal as _;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::{EnvFilter, Layer as _, layer::SubscriberExt as _, util::SubscriberInitExt as _};

use super::Traces;

/// Filter if none is given.
const DEFAULT_FILTER: &str = "info";

/// Error in a log filter.
#[derive(Debug, thiserror::Error)]
pub enum LogFilterError {
    /// The syntax is wrong.
    #[error("cannot read the log filter {filter:?}: {source}")]
    Syntax {
        /// Filter.
        filter: String,
        /// Cause.
        source: tracing_subscriber::filter::ParseError,
    },
    /// A single word is not a level. It would be taken for a target, and everything else would not be logged.
    #[error(
        "cannot read the log filter {filter:?}: {word:?} is not a level (off, error, warn, info, debug or trace); for \
         a target, write {word}=debug"
    )]
    NoLevel {
        /// Filter.
        filter: String,
        /// Word that is not a level.
        word: String,
    },
}

/// Starts logging, and tracing if `traces` is given. `filter` has the syntax of `RUST_LOG`, for example
/// `info,roster=debug`, and applies only to the log. Later calls have no effect.
///
/// # Errors
/// When the filter cannot be parsed.
pub fn init_logging(filter: Option<&str>, traces: Option<&Traces>) -> Result<(), LogFilterError> {
    let filter = filter.filter(|filter| !filter.trim().is_empty()).unwrap_or(DEFAULT_FILTER);
    let env_filter =
        EnvFilter::try_new(filter).map_err(|source| LogFilterError::Syntax { filter: filter.to_owned(), source })?;
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let log = if std::io::stderr().is_terminal() {
        let colours = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        layer.with_ansi(colours).with_target(false).boxed()
    } else {
        layer.json().flatten_event(true).with_span_list(false).boxed()
    };
    let log = tracing_subscriber::registry().with(log.with_filter(env_filter));
    // An error means that logging is already set up, by a test for example.
    let _ = log.with(traces.map(Traces::layer)).try_init();
    Ok(())
}

/// Checks that single words in a filter are levels. For long-running commands only, where a mistake would silence the
/// log; other commands may see a filter in the environment that is meant for other programs.
///
/// # Errors
/// When a single word is not a level.
pub fn check_levels(filter: &str) -> Result<(), LogFilterError> {
    // A filter with span fields may contain commas and other words.
    let words = filter.split(',').map(str::trim).filter(|word| !word.is_empty() && !filter.contains('['));
    match words.filter(|word| !word.contains('=')).find(|word| word.parse::<LevelFilter>().is_err()) {
        Some(word) => Err(LogFilterError::NoLevel { filter: filter.to_owned(), word: word.to_owned() }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_cannot_be_read_is_named() {
        let error = init_logging(Some("roster=loud"), None).unwrap_err();
        assert!(error.to_string().starts_with("cannot read the log filter \"roster=loud\": "), "{error}");
    }

    #[test]
    fn an_invalid_level_does_not_disable_the_rest() {
        let error = check_levels("info,loud").unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot read the log filter \"info,loud\": \"loud\" is not a level (off, error, warn, info, debug or trace); \
             for a target, write loud=debug"
        );
        for good in
            ["warn", "INFO", "off", "info,roster=debug", "roster::controller=trace", "info,[pass{account=a}]=debug"]
        {
            check_levels(good).unwrap_or_else(|error| panic!("{error}"));
        }
    }

    #[test]
    fn an_empty_filter_is_none() {
        init_logging(Some(" "), None).unwrap();
    }
}
