//! Suggests the name that was probably meant by a misspelt one. Called by findings, schema checks and the CLI.

use super::finding::Quoted;

/// Maximum number of names that are compared with a word. An account may have very many groups, and very many
/// Memberships that all misspell one.
const COMPARED: usize = 1_000;

/// Returns the name in `known` that was probably meant by `word`: with at most one typing error, and one more for every
/// four letters, up to three. Only the first 1,000 names are compared.
#[must_use]
pub fn closest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    let length = word.chars().count();
    // Every other single letter would be a close match.
    let allowed = (1 + length / 4).min(length.saturating_sub(1)).min(3);
    // Each missing or extra letter is an error, so names of a very different length need no comparison.
    let is_as_long = |other: &&str| other.chars().count().abs_diff(length) <= allowed;
    let distance = |other: &str| strsim::damerau_levenshtein(&lower, &other.to_lowercase());
    let scored = known.into_iter().take(COMPARED).filter(is_as_long).map(|other| (distance(other), other));
    scored.filter(|(distance, _)| *distance <= allowed).min_by_key(|(distance, _)| *distance).map(|(_, other)| other)
}

/// Returns the address in `known` that was probably meant by `address`: with one typing error, or two if the part
/// before the @ has more than five letters. The bound is low because addresses of one domain are alike, and that of
/// another person is not a suggestion.
#[must_use]
pub fn closest_address<'a>(address: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let local = address.split('@').next().unwrap_or_default().chars().count();
    let allowed = match local {
        0..=1 => return None,
        2..=5 => 1,
        _ => 2,
    };
    let scored = known.into_iter().map(|other| (strsim::damerau_levenshtein(address, &other.to_lowercase()), other));
    scored.filter(|(distance, _)| *distance <= allowed).min_by_key(|(distance, _)| *distance).map(|(_, other)| other)
}

/// Returns the result of [`closest`]; if there is none, the only name in `known` that contains `word` or its singular:
/// `role` for `roleRef`.
#[must_use]
pub fn meant<'a>(word: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> Option<&'a str> {
    closest(word, known.clone()).or_else(|| {
        let lower = word.to_lowercase();
        let part = lower.strip_suffix('s').unwrap_or(&lower);
        let mut holding = known.into_iter().filter(|other| part.len() > 2 && other.to_lowercase().contains(part));
        holding.next().filter(|_| holding.next().is_none())
    })
}

/// Returns the result of [`closest`] as the end of a sentence: `; did you mean "x"?`. Empty if there is none.
#[must_use]
pub fn suggestion<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    closest(word, known).map(did_you_mean).unwrap_or_default()
}

/// Returns the end of a sentence that suggests a name.
#[must_use]
pub fn did_you_mean(name: &str) -> String {
    format!("; did you mean {}?", Quoted(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn similar_names_are_suggested() {
        assert_eq!(closest("dispayName", ["email", "displayName"]), Some("displayName"));
        assert_eq!(closest("colour", ["email", "displayName"]), None);
        assert_eq!(closest("b", ["a", "B"]), Some("B"));
        assert_eq!(closest("b", ["a"]), None);
        assert_eq!(meant("groups", ["accountRef", "groupRefs", "roleRef"]), Some("groupRefs"));
        assert_eq!(meant("ref", ["accountRef", "roleRef"]), None);
        assert_eq!(closest("report-configuration", ["report-notifications"]), None);
        assert_eq!(closest("", ["a", ""]), Some(""));
        assert_eq!(closest("", ["a"]), None);
    }

    #[test]
    fn an_address_is_suggested_only_if_it_is_very_similar() {
        let known = ["dana@acme.example", "sven@acme.example", "Olivia.Brook@acme.example"];
        let meant = |address: &str| closest_address(address, known);
        assert_eq!(meant("svenn@acme.example"), Some("sven@acme.example"));
        assert_eq!(meant("sven@acme.exmaple"), Some("sven@acme.example"));
        assert_eq!(meant("olivia.bork@acme.example"), Some("Olivia.Brook@acme.example"));
        assert_eq!(meant("dora@acme.example"), None, "another person");
        assert_eq!(meant("zoe@acme.example"), None);
    }
}
