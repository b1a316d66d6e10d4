//! Parses points in time and durations of arguments. Used by `audit query`, `review`, `status` and `block`.

use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp, civil::Date, tz::TimeZone};

/// A point in time, or how long before now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// This instant.
    At(Timestamp),
    /// This duration before now.
    Ago(SignedDuration),
}

impl When {
    /// Returns the instant, relative to `now`.
    pub fn instant(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::Ago(ago) => now.checked_sub(ago).unwrap_or(Timestamp::MIN),
        }
    }
}

/// Parses `2026-09-01` (UTC), `2026-09-01T08:00:00Z` or `90d` for clap.
pub fn when(text: &str) -> Result<When, String> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(When::At(at));
    }
    if let Ok(date) = text.parse::<Date>() {
        let at = date.to_zoned(TimeZone::UTC).map_err(|error| error.to_string())?;
        return Ok(When::At(at.timestamp()));
    }
    duration(text).map(When::Ago).map_err(|_| {
        "must be a date (2026-09-01), a time (2026-09-01T08:00:00Z), or how long ago (7d, 12h30m)".to_owned()
    })
}

/// Parses a duration such as `30d`, `2w` or `12h30m` for clap; a day has 24 hours.
pub fn duration(text: &str) -> Result<SignedDuration, String> {
    let wrong = || "must be a duration such as 30d, 2w or 12h30m".to_owned();
    let span: Span = text.parse().map_err(|_| wrong())?;
    let duration = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| wrong())?;
    if duration.is_negative() { Err(wrong()) } else { Ok(duration) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_a_time_and_a_duration_are_points_in_time() {
        let now: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
        let instant = |text: &str| when(text).unwrap().instant(now).to_string();
        assert_eq!(instant("2026-09-01"), "2026-09-01T00:00:00Z");
        assert_eq!(instant("2026-09-01T08:30:00+02:00"), "2026-09-01T06:30:00Z");
        assert_eq!(instant("7d"), "2026-11-17T12:00:00Z");
        assert_eq!(instant("2w"), "2026-11-10T12:00:00Z");
        assert_eq!(instant("12h30m"), "2026-11-23T23:30:00Z");
        for bad in ["", "yesterday", "7", "-7d", "2026-13-01", "3mo"] {
            assert!(when(bad).is_err(), "{bad}");
        }
    }
}
