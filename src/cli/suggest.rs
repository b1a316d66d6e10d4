//! Did you mean …?

/// The one of `known` that somebody who typed `word` probably means: at most one typing error, and one more for every four
/// letters.
#[must_use]
pub fn closest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    let distance = |other: &str| strsim::damerau_levenshtein(&lower, &other.to_lowercase());
    let allowed = 1 + word.chars().count() / 4;
    let scored = known.into_iter().map(|other| (distance(other), other));
    scored.filter(|(distance, _)| *distance <= allowed).min_by_key(|(distance, _)| *distance).map(|(_, other)| other)
}

/// The same as the end of a sentence: `; did you mean "x"?`, or nothing.
#[must_use]
pub fn suggestion<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    closest(word, known).map(|other| format!("; did you mean {other:?}?")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_meant_is_near() {
        assert_eq!(closest("dispayName", ["email", "displayName"]), Some("displayName"));
        assert_eq!(closest("colour", ["email", "displayName"]), None);
    }
}
