//! One line of a runner's output: a flat JSON object of texts and numbers.

/// The fields of a line, in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Record(Vec<(String, String)>);

impl Record {
    /// Takes a line apart; `None` if it is no flat object.
    pub(super) fn parse(line: &str) -> Option<Record> {
        let mut rest = line.trim().strip_prefix('{')?.strip_suffix('}')?.trim();
        let mut fields = Vec::new();
        while !rest.is_empty() {
            let (key, after) = text(rest)?;
            let after = after.trim_start().strip_prefix(':')?.trim_start();
            let (value, after) = if after.starts_with('"') {
                text(after)?
            } else {
                let end = after.find(',').unwrap_or(after.len());
                (after[..end].trim().to_owned(), &after[end..])
            };
            fields.push((key, value));
            rest = after.trim_start();
            rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
        }
        Some(Record(fields))
    }

    /// The text of a field.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.0.iter().find_map(|(k, v)| (k == key).then_some(v.as_str()))
    }

    /// The number in a field.
    pub(super) fn number(&self, key: &str) -> Option<f64> {
        self.text(key)?.parse().ok()
    }
}

/// The quoted text that `from` begins with, and what follows. Names hold no escapes.
fn text(from: &str) -> Option<(String, &str)> {
    let (inside, after) = from.strip_prefix('"')?.split_once('"')?;
    Some((inside.to_owned(), after))
}

#[cfg(test)]
mod tests {
    use super::Record;

    #[test]
    fn texts_and_numbers_are_read() {
        let record = Record::parse(r#"{"case": "conv/8x64/f64","min":1.5e-3, "samples":3}"#).expect("a flat object");
        assert_eq!(record.text("case"), Some("conv/8x64/f64"));
        assert_eq!((record.number("min"), record.number("samples")), (Some(1.5e-3), Some(3.0)));
        assert!(record.number("case").is_none() && record.number("max").is_none());
        assert!(Record::parse("warning: not JSON").is_none());
        assert!(Record::parse(r#"{"case" 1}"#).is_none());
    }
}
