//! Formats numbers with their nouns, and lists that are cut. Used by all messages that count or name something.

use std::fmt::Display;

/// Returns a number and its noun: `1 change`, `3 changes`.
#[must_use]
pub fn counted<N: Copy + Display + PartialEq + From<u8>>(count: N, noun: &str) -> String {
    let ending = agree(&count, "", "s");
    format!("{count} {noun}{ending}")
}

/// Returns the word that agrees with a number: `one` for 1, `others` for all other numbers.
#[must_use]
pub fn agree<'a, N: PartialEq + From<u8>>(count: &N, one: &'a str, others: &'a str) -> &'a str {
    if *count == N::from(1) { one } else { others }
}

/// Returns the first `most` items, and the number of the others: `a, b and 3 more`. Empty if there is no item.
#[must_use]
pub fn first_of<T: Display>(all: &[T], most: usize) -> String {
    let shown = all.iter().take(most).map(ToString::to_string).collect::<Vec<_>>().join(", ");
    match all.len().saturating_sub(most) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_singular_and_zero_is_plural() {
        assert_eq!([0_u64, 1, 2].map(|count| counted(count, "removal")), ["0 removals", "1 removal", "2 removals"]);
        assert_eq!([0_usize, 1, 2].map(|count| agree(&count, "is", "are")), ["are", "is", "are"]);
    }
}
