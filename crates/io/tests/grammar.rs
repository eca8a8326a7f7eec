//! Pickles made by a grammar and then damaged piece by piece: each is an error or a value that survives being written.

mod bombs;

use bombs::{Record, stored, text, zip};
use std::cell::Cell;
use wengert_io::tensor::Value;

/// Storage classes and the size of their elements; each has a record of 64 bytes, named by its place here.
const STORAGES: &[(&str, usize)] = &[
    ("DoubleStorage", 8),
    ("FloatStorage", 4),
    ("HalfStorage", 2),
    ("BFloat16Storage", 2),
    ("LongStorage", 8),
    ("ShortStorage", 2),
    ("ByteStorage", 1),
    ("BoolStorage", 1),
    ("ComplexFloatStorage", 8),
];

/// A small generator, so that the same inputs are tried every time.
struct Random(Cell<u64>);

impl Random {
    fn next(&self) -> u64 {
        let mut x = self.0.get();
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.0.set(x);
        x
    }

    fn below(&self, limit: usize) -> usize {
        (self.next() >> 16) as usize % limit
    }
}

/// A pickle in pieces: opcodes with their arguments.
struct Pickle<'a> {
    random: &'a Random,
    pieces: Vec<Vec<u8>>,
    /// Memo entries that were set.
    memo: u8,
}

fn int(value: i32) -> Vec<u8> {
    match u8::try_from(value) {
        Ok(small) => vec![b'K', small],
        Err(_) => [&b"J"[..], &value.to_le_bytes()].concat(),
    }
}

impl Pickle<'_> {
    fn put(&mut self, piece: impl Into<Vec<u8>>) {
        self.pieces.push(piece.into());
    }

    fn global(&mut self, name: &str) {
        self.put(format!("c{}\n", name.replace(' ', "\n")));
    }

    /// A call of a name with what `arguments` leaves on the stack.
    fn call(&mut self, name: &str, arguments: impl FnOnce(&mut Self)) {
        self.global(name);
        self.put(b"(");
        arguments(self);
        self.put(b"t");
        self.put(b"R");
    }

    fn key(&mut self) {
        match self.random.below(5) {
            0 => self.put(int(self.random.below(9) as i32 - 4)),
            1 => self.put([vec![b'G'], (self.random.below(4) as f64 / 2.0).to_be_bytes().to_vec()].concat()),
            2 => self.put([&b"N"[..], b"\x88", b"\x89"][self.random.below(3)]),
            3 => {
                self.key();
                self.key();
                self.put(b"\x86");
            }
            _ => self.put(text(["a", "b", "weight", "é", ""][self.random.below(5)])),
        }
    }

    fn tensor(&mut self) {
        let storage = self.random.below(STORAGES.len());
        let (class, size) = STORAGES[storage];
        self.call("torch._utils _rebuild_tensor_v2", |p| {
            p.put(b"(");
            p.put(text("storage"));
            p.global(&format!("torch {class}"));
            p.put(text(&storage.to_string()));
            p.put(text("cpu"));
            p.put(int(64 / size as i32));
            p.put(b"t");
            p.put(b"Q");
            p.put(int(p.random.below(4) as i32));
            for _ in 0..2 {
                p.put(b"(");
                p.put(int(1 + p.random.below(2) as i32));
                p.put(int(p.random.below(4) as i32));
                p.put(b"t");
            }
            p.put([&b"\x88"[..], b"\x89"][p.random.below(2)]);
            p.call("collections OrderedDict", |_| {});
            if p.random.below(8) == 0 {
                p.put(b"}");
                p.put(text(["neg", "conj"][p.random.below(2)]));
                p.put(b"\x88");
                p.put(b"s");
            }
        });
    }

    fn items(&mut self, depth: usize) {
        for _ in 0..self.random.below(4) {
            self.value(depth + 1);
        }
    }

    fn entries(&mut self, depth: usize) {
        self.put(b"(");
        for _ in 0..self.random.below(4) {
            self.key();
            self.value(depth + 1);
        }
        self.put(b"u");
    }

    fn value(&mut self, depth: usize) {
        match self.random.below(if depth < 5 { 17 } else { 4 }) {
            0 | 1 => self.key(),
            2 if self.memo > 0 => self.put([b'h', self.random.below(self.memo as usize) as u8]),
            2 | 3 => self.tensor(),
            4 => {
                self.put(b"]");
                self.put(b"(");
                self.items(depth);
                self.put(b"e");
            }
            5 => {
                self.put(b"(");
                self.items(depth);
                self.put(b"t");
            }
            6 => {
                self.put(b"}");
                self.entries(depth);
            }
            7 => {
                self.call("collections OrderedDict", |_| {});
                self.entries(depth);
                if self.random.below(2) == 0 {
                    self.put(b"}");
                    self.entries(depth);
                    self.put(b"b");
                }
            }
            8 => self.call("collections Counter", |p| {
                p.put(b"}");
                p.entries(depth);
            }),
            9 => self.call("__builtin__ set", |p| {
                p.put(b"]");
                p.put(b"(");
                (0..p.random.below(4)).for_each(|_| p.key());
                p.put(b"e");
            }),
            10 => self.call("torch Size", |p| {
                p.put(int(p.random.below(300) as i32));
                p.put(b"\x85");
            }),
            11 => self.call("_codecs encode", |p| {
                p.put(text("\u{ff}a"));
                p.put(text("latin1"));
            }),
            12 => self.call("torch._utils _rebuild_parameter", |p| {
                p.tensor();
                p.put(b"\x88");
                p.call("collections OrderedDict", |_| {});
            }),
            13 => self.call("torch.serialization _get_layout", |p| p.put(text("torch.strided"))),
            14 => self.call("torch device", |p| p.put(text("cuda"))),
            15 => self.global(["torch float32", "torch uint16", "torch float8_e5m2"][self.random.below(3)]),
            _ => {
                self.value(depth + 1);
                self.put([b'q', self.memo]);
                self.memo = (self.memo + 1).min(250);
            }
        }
    }
}

#[test]
fn pickles_by_grammar_load_or_fail_and_what_loads_survives() {
    let random = Random(Cell::new(0x5851_f42d_4c95_7f2d));
    let rounds = if std::env::var_os("WENGERT_FULL").is_some() { 300_000 } else { 6_000 };
    let (mut loaded, mut whole) = (0, 0);
    for round in 0..rounds {
        let mut pickle = Pickle { random: &random, pieces: Vec::new(), memo: 0 };
        pickle.value(0);
        let mut pieces = pickle.pieces;
        let damage = random.below(4);
        for _ in 0..damage {
            if pieces.is_empty() {
                break;
            }
            let (at, other) = (random.below(pieces.len()), random.below(pieces.len()));
            match random.below(5) {
                0 => drop(pieces.remove(at)),
                1 => pieces.swap(at, other),
                2 => pieces[at] = pieces[other].clone(),
                3 => {
                    let part = pieces[at.min(other)..=at.max(other)].to_vec();
                    pieces.splice(at..at, part);
                }
                _ => {
                    let piece = &mut pieces[at];
                    let byte = random.below(piece.len());
                    piece[byte] = random.next() as u8;
                }
            }
        }
        let bytes = [&b"\x80\x02"[..], &pieces.concat(), b"."].concat();
        let data: Vec<u8> = (0..64).map(|i| (i * 37 + 11) as u8).collect();
        let mut records: Vec<Record> = vec![stored("data.pkl", &bytes)];
        records.extend((0..STORAGES.len()).map(|i| stored(&format!("data/{i}"), &data)));
        records.push(stored("version", b"3\n"));
        let Ok(value) = wengert_io::from_bytes(&zip(&records)) else { continue };
        loaded += 1;
        whole += usize::from(damage == 0);
        let text = |value: &Value| value.to_string();
        let written = wengert_io::to_bytes(&value).unwrap_or_else(|e| panic!("round {round}: {e}"));
        let again = wengert_io::from_bytes(&written).unwrap_or_else(|e| panic!("round {round}: {e}"));
        assert_eq!(text(&again), text(&value), "round {round}");
        let written = wengert_io::to_native_bytes(&value).unwrap_or_else(|e| panic!("round {round}: {e}"));
        let again = wengert_io::from_bytes(&written).unwrap_or_else(|e| panic!("round {round}: {e}"));
        assert_eq!(text(&again), text(&value), "round {round}, native");
    }
    // The grammar is worth something only if much of it loads: complex storages and conjugates do not.
    assert!(whole > rounds / 10 && loaded > rounds / 4, "{whole} undamaged and {loaded} of {rounds} loaded");
}
