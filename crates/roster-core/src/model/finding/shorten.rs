//! Shortens names in sentences. A name may have 253 characters and an address 254: a sentence with three of them could
//! not be read, and many objects may each have several. Called by all sentences of findings.

use std::fmt;

/// Maximum length of a name that is shown whole, in characters.
const WHOLE: usize = 50;
/// Number of characters shown from the beginning and from the end of a longer name. The end often distinguishes
/// generated names.
const ENDS: [usize; 2] = [30, 19];
/// Maximum number of names that a list shows if its length is given as well.
pub(super) const MOST: usize = 5;

/// Name or text of a spec, without quotes; the middle of a long one is left out.
pub(super) struct Short<'a>(pub &'a str);

impl fmt::Display for Short<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match cut(self.0) {
            None => f.write_str(self.0),
            Some((start, end)) => write!(f, "{start}…{end}"),
        }
    }
}

/// Like [`Short`], in double quotes and with control characters escaped.
pub(in crate::model) struct Quoted<'a>(pub &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match cut(self.0) {
            None => write!(f, "{:?}", self.0),
            Some((start, end)) => write!(f, "{:?}", format_args!("{start}…{end}").to_string()),
        }
    }
}

/// Names separated by commas: at most as many as the second field says, then the number of the others.
pub(super) struct List<'a, N>(pub &'a [N], pub usize);

impl<N: AsRef<str>> fmt::Display for List<'_, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = &self.0[..self.0.len().min(self.1)];
        write!(f, "{}", Counted(shown, self.0.len()))
    }
}

/// Names separated by commas, then the number of those omitted; the second field is the total.
pub(super) struct Counted<'a, N>(pub &'a [N], pub usize);

impl<N: AsRef<str>> fmt::Display for Counted<'_, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in self.0.iter().enumerate() {
            let comma = if index > 0 { ", " } else { "" };
            write!(f, "{comma}{}", Short(name.as_ref()))?;
        }
        match self.1.saturating_sub(self.0.len()) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

fn cut(text: &str) -> Option<(&str, &str)> {
    // A text of at most this many bytes cannot have more characters.
    if text.len() <= WHOLE || text.chars().count() <= WHOLE {
        return None;
    }
    let [start, end] = ENDS;
    let start = text.char_indices().nth(start)?.0;
    let end = text.char_indices().rev().nth(end - 1)?.0;
    Some((&text[..start], &text[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_keeps_both_ends_and_a_short_one_is_whole() {
        let fifty = "x".repeat(50);
        assert_eq!(Short(&fifty).to_string(), fifty);
        let long = format!("{}{}", "a".repeat(100), "z".repeat(100));
        assert_eq!(Short(&long).to_string(), format!("{}…{}", "a".repeat(30), "z".repeat(19)));
        assert_eq!(Quoted("a\n").to_string(), r#""a\n""#);
        assert_eq!(Quoted(&"ü".repeat(51)).to_string(), format!("\"{}…{}\"", "ü".repeat(30), "ü".repeat(19)));
    }

    #[test]
    fn a_long_list_is_cut_and_the_rest_counted() {
        assert_eq!(List(&["a", "b"], 2).to_string(), "a, b");
        assert_eq!(List(&["a", "b", "c"], 2).to_string(), "a, b and 1 more");
    }
}
