//! The line of a field: asked only where something is to be said, so that reading stays fast.

use saphyr::{LoadableYamlNode as _, MarkedYaml, Scalar, YamlData};

use super::schema::Step;

/// Line and column, both from 1, of the field at `path` within one YAML document; of the nearest thing around it where it
/// is not there itself.
#[must_use]
pub fn find(document: &str, path: &[Step]) -> Option<(usize, usize)> {
    let documents = MarkedYaml::load_from_str(document).ok()?;
    let mut node = documents.first()?;
    let mut at = (node.span.start.line(), node.span.start.col() + 1);
    for step in path {
        let next = match (&node.data, step) {
            (YamlData::Mapping(fields), Step::Key(key)) => fields.iter().find(|(name, _)| is(name, key)),
            (YamlData::Sequence(items), Step::Item(place)) => items.get(*place).map(|item| (item, item)),
            _ => None,
        };
        let Some((name, value)) = next else { break };
        at = (name.span.start.line(), name.span.start.col() + 1);
        node = value;
    }
    Some(at)
}

pub(super) fn is(name: &MarkedYaml<'_>, key: &str) -> bool {
    match &name.data {
        YamlData::Value(Scalar::String(text)) => text == key,
        YamlData::Representation(text, ..) => text == key,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_where_it_stands() {
        let text = "# why\nkind: X\nspec:\n  blocked:\n  - {email: a}\n  - reason: b\n    email: c\n";
        let at = |path: &str| find(text, &Step::parse(path));
        assert_eq!(at("kind"), Some((2, 1)));
        assert_eq!(at("spec.blocked[0].email"), Some((5, 6)));
        assert_eq!(at("spec.blocked[1].email"), Some((7, 5)));
        assert_eq!(at("spec.blocked[1].missing"), Some((6, 5)));
        assert_eq!(at("spec.owner"), Some((3, 1)));
        assert_eq!(at(""), Some((2, 1)));
    }
}
