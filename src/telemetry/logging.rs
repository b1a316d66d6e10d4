//! Logs: for people on a terminal, JSON lines otherwise; always on standard error, which leaves standard output to
//! what a command answers.

use std::io::IsTerminal as _;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::{EnvFilter, Layer as _, layer::SubscriberExt as _, util::SubscriberInitExt as _};

use super::Traces;

/// What is logged when nobody says otherwise.
const DEFAULT_FILTER: &str = "info";

/// The filter cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LogFilterError {
    /// It is not written as filters are.
    #[error("cannot read the log filter {filter:?}: {source}")]
    Syntax {
        /// The filter.
        filter: String,
        /// What is wrong with it.
        source: tracing_subscriber::filter::ParseError,
    },
    /// A word alone that is no level would be taken for a target: everything else would be silent.
    #[error(
        "cannot read the log filter {filter:?}: {word:?} is none of off, error, warn, info, debug and trace; \
         for a target, write {word}=debug"
    )]
    NoLevel {
        /// The filter.
        filter: String,
        /// The word.
        word: String,
    },
}

/// Starts logging, and tracing where there is somewhere to send traces to. `filter` is written as in `RUST_LOG`, for
/// example `info,roster=debug`, and is about the log alone. Later calls change nothing.
///
/// # Errors
/// When the filter cannot be read.
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
    // An error means that somebody else (a test) logs already.
    let _ = log.with(traces.map(Traces::layer)).try_init();
    Ok(())
}

/// Whether a filter says what is logged: for one that runs for long, it must not be silence by mistake. Whoever runs a command
/// may have a filter in the environment that is about other programs.
///
/// # Errors
/// When a word alone is no level.
pub fn check_levels(filter: &str) -> Result<(), LogFilterError> {
    // A filter of a span's fields may hold commas and words of its own.
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
    fn a_word_that_is_no_level_does_not_silence_the_rest() {
        let error = check_levels("info,loud").unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot read the log filter \"info,loud\": \"loud\" is none of off, error, warn, info, debug and trace; \
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
