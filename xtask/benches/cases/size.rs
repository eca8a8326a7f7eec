//! Sizes in names: every run of digits is a number.

/// The numbers of `8x64x56`, or of `64k3s1p1`, in order.
pub(crate) fn numbers(text: &str) -> Vec<usize> {
    text.split(|c: char| !c.is_ascii_digit()).filter(|part| !part.is_empty()).filter_map(|n| n.parse().ok()).collect()
}

/// The value of one letter in `64k3s1p1`: `letter(text, 'k') == Some(3)`.
pub(super) fn letter(text: &str, letter: char) -> Option<usize> {
    let (_, rest) = text.split_once(letter)?;
    numbers(rest).first().copied()
}
