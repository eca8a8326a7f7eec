//! Patterns over dotted names, where `*` stands for any text.

/// The values whose names match.
pub(crate) fn select<T>(named: Vec<(String, T)>, pattern: &str) -> Vec<T> {
    named.into_iter().filter(|(name, _)| matches(pattern, name)).map(|(_, value)| value).collect()
}

/// Whether the pattern matches the whole name.
fn matches(pattern: &str, name: &str) -> bool {
    let Some((head, mut rest)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(mut name) = name.strip_prefix(head) else {
        return false;
    };
    // Each piece between stars takes its first place; the last piece must end the name.
    while let Some((piece, after)) = rest.split_once('*') {
        let Some(at) = name.find(piece) else {
            return false;
        };
        name = &name[at + piece.len()..];
        rest = after;
    }
    name.ends_with(rest)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn stars_stand_for_any_text() {
        for (pattern, name, expected) in [
            ("a.b", "a.b", true),
            ("a.b", "a.bc", false),
            ("*", "", true),
            ("*", "a.b", true),
            ("a.*", "a.b.c", true),
            ("a.*", "b.a.c", false),
            ("*.bias", "a.0.bias", true),
            ("*.bias", "a.bias.0", false),
            ("a.*.weight", "a.0.weight", true),
            ("a.*.weight", "a.weight", false),
            ("*b*b", "ab", false),
            ("*b*b", "abb", true),
            ("a*b*c", "axbxbxc", true),
            ("", "", true),
            ("", "a", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
