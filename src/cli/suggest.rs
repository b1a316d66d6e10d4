//! Did you mean …?

/// How like a known word an unknown one must be to be taken for it, from 0 to 1.
const LIKENESS: f64 = 0.7;

/// What somebody who typed `word` may have meant.
#[must_use]
pub fn closest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let near = known.map(|known| (strsim::normalized_damerau_levenshtein(&word, &known.to_lowercase()), known));
    near.filter(|(near, _)| *near >= LIKENESS).max_by(|one, other| one.0.total_cmp(&other.0)).map(|(_, known)| known)
}

/// The same as the end of a sentence: `; did you mean "x"?`, or nothing.
#[must_use]
pub fn suggestion<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> String {
    closest(word, known).map(|meant| format!("; did you mean {meant:?}?")).unwrap_or_default()
}
