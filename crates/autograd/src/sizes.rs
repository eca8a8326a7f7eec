//! Families of operand shapes, written as text: what lets one catalog row be tried with shapes drawn at random.

use std::collections::HashMap;

/// The shapes that an operation takes, as the text of [`Sizes::parse`].
#[derive(Clone, Debug)]
pub struct Sizes {
    operands: Vec<Vec<Term>>,
}

/// What stands for an axis or several.
#[derive(Clone, Debug, PartialEq)]
enum Term {
    /// Exactly that size.
    Exact(usize),
    /// The same size wherever the name stands, not below `least`, `times` over.
    Named { name: char, least: usize, times: usize },
    /// Any axes, the same wherever it stands, of sizes not below `least`.
    Leading { least: usize },
    /// Any axes that broadcast with those of the other operands that have it.
    Broadcast,
}

/// Most elements that the operands of one draw have together, if the family has members as small.
const MOST_ELEMENTS: usize = 48;

impl Sizes {
    /// Reads a family: operands between commas, each a list of axes between blanks.
    ///
    /// | axis | means |
    /// |---|---|
    /// | `n` | any size from 1, the same at every `n` |
    /// | `n3`, `n0` | any size from 3, from 0 |
    /// | `2n` | twice the size of `n` |
    /// | `5` | exactly 5 |
    /// | `...` | any axes, also none and empty ones, the same at every `...` |
    /// | `...+` | any axes, also none, of sizes from 1 |
    /// | `*` | any axes that broadcast with those at the other `*` |
    ///
    /// # Panics
    /// If the text is no such list.
    pub fn parse(text: &str) -> Sizes {
        let term = |word: &str| match word {
            "..." => Term::Leading { least: 0 },
            "...+" => Term::Leading { least: 1 },
            "*" => Term::Broadcast,
            _ => match word.find(|c: char| c.is_ascii_alphabetic()) {
                None => Term::Exact(word.parse().expect("an axis is a name or a number")),
                Some(at) => {
                    let number = |digits: &str| if digits.is_empty() { 1 } else { digits.parse().expect("a number") };
                    let (times, least) = (number(&word[..at]), number(&word[at + 1..]));
                    Term::Named { name: char::from(word.as_bytes()[at]), least, times }
                }
            },
        };
        Sizes { operands: text.split(',').map(|axes| axes.split_whitespace().map(term).collect()).collect() }
    }

    /// The shapes that a list of random bytes stands for; smaller bytes, smaller shapes.
    pub fn shapes(&self, draw: &[u8]) -> Vec<Vec<usize>> {
        // From four sizes per axis down to one, until it is small enough.
        let tries = (1..=4).rev().map(|span| self.with_span(draw, span));
        let mut shapes = Vec::new();
        for found in tries {
            shapes = found;
            if shapes.iter().map(|shape| shape.iter().product::<usize>()).sum::<usize>() <= MOST_ELEMENTS {
                break;
            }
        }
        shapes
    }

    fn with_span(&self, draw: &[u8], span: usize) -> Vec<Vec<usize>> {
        let mut bytes = draw.iter().copied().chain(std::iter::repeat(0)).map(usize::from);
        let mut next = || bytes.next().expect("endless");
        // Every draw takes one byte whatever the span, so that a byte means the same for all of them.
        let rank = next() % 3;
        let leading: [usize; 2] = std::array::from_fn(|_| next() % 4);
        let mut common: [usize; 3] = std::array::from_fn(|_| 1 + next() % 3 % span);
        if next() % 8 == 7 {
            common[2] = 0;
        }
        let mut named: HashMap<char, usize> = HashMap::new();
        let mut shapes = Vec::new();
        for terms in &self.operands {
            let mut shape = Vec::new();
            for term in terms {
                match *term {
                    Term::Exact(size) => shape.push(size),
                    Term::Named { name, least, times } => {
                        let size = *named.entry(name).or_insert_with(|| least + next() % span);
                        shape.push(size * times);
                    }
                    Term::Leading { least } => {
                        shape.extend(leading.iter().take(rank).map(|&size| size.min(span).max(least)));
                    }
                    Term::Broadcast => {
                        let (skipped, ones) = (next() % 4, next());
                        let one = |axis: usize| ones >> axis & 1 == 1;
                        shape.extend((skipped..3).map(|axis| if one(axis) { 1 } else { common[axis] }));
                    }
                }
            }
            shapes.push(shape);
        }
        shapes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(seed: u64) -> Vec<u8> {
        (20 * seed..20 * seed + 20).map(|i| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect()
    }

    #[test]
    fn shapes_follow_the_text() {
        for seed in 0..200 {
            let draw = bytes(seed);
            let shapes = Sizes::parse("... n k2, k 2n 5, ...+").shapes(&draw);
            let [a, b, c] = &shapes[..] else { panic!("{shapes:?}") };
            let [leading @ .., n, k] = &a[..] else { panic!("{a:?}") };
            assert!(*k >= 2 && *n >= 1 && b[..] == [*k, 2 * n, 5], "{shapes:?}");
            assert!(leading.len() == c.len() && leading.len() <= 2 && c.iter().all(|&size| size > 0), "{shapes:?}");
            assert!(leading.iter().zip(c).all(|(&a, &c)| a.max(1) == c), "{shapes:?}");
        }
    }

    #[test]
    fn stars_broadcast_and_differ() {
        let mut seen = std::collections::HashSet::new();
        for seed in 0..200 {
            let draw = bytes(seed);
            let shapes = Sizes::parse("*, *").shapes(&draw);
            for (a, b) in shapes[0].iter().rev().zip(shapes[1].iter().rev()) {
                assert!(a == b || *a == 1 || *b == 1, "{shapes:?}");
            }
            seen.insert(shapes);
        }
        assert!(seen.len() > 50 && seen.iter().any(|shapes| shapes[0].is_empty()), "{}", seen.len());
        assert!(seen.iter().any(|shapes| shapes[0].contains(&0)));
    }
}
