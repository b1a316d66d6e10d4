//! Computes medians, and converts times to numbers. Used by the measurements and the report.

use std::time::Duration;

/// Returns the median; for an even count, the mean of the two middle values.
pub fn median(values: &[f64]) -> f64 {
    percentile(values, 50)
}

/// Returns the percentile: the value below which `percent` of the values lie.
pub fn percentile(values: &[f64], percent: usize) -> f64 {
    assert!(!values.is_empty(), "nothing was measured");
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    if percent == 50 && sorted.len().is_multiple_of(2) {
        return f64::midpoint(sorted[sorted.len() / 2 - 1], sorted[sorted.len() / 2]);
    }
    sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)]
}

pub fn milliseconds(times: &[Duration]) -> Vec<f64> {
    times.iter().map(|time| time.as_secs_f64() * 1_000.0).collect()
}
