//! The pickle machine: opcodes to a graph of nodes in an arena, by an allow-list, without calling anything.
//!
//! Nodes refer to each other by number, so that a shared container that is filled later stays shared, a cycle cannot
//! leak, and dropping the graph does not recurse. Every opcode makes at most one node: the arena is linear in the input.

mod call;

use super::budget::Budget;
use super::global::{Global, Item, resolve};
use crate::Error;
use std::collections::HashMap;
use wengert_tensor::DictKind;

/// The number of a node.
pub(crate) type Id = u32;

/// Which persistent ids a stream has.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Dialect {
    /// Five fields, in an archive.
    Zip,
    /// Six fields, in a stream of before 1.6.
    Legacy,
    /// None: numbers, texts and lists only.
    Plain,
}

/// A storage that tensors refer to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StorageRef {
    pub(crate) key: String,
    pub(crate) item: Item,
    /// Elements of `item`.
    pub(crate) numel: u64,
    /// What the bytes of an untyped storage are, known from the tensors that use it.
    pub(crate) untyped_as: Option<Item>,
}

impl StorageRef {
    /// What its elements are.
    pub(crate) fn elements_are(&self) -> Item {
        self.untyped_as.unwrap_or(self.item)
    }
}

/// A tensor's description.
#[derive(Clone, Debug)]
pub(crate) struct TensorNode {
    /// Index into the graph's storages.
    pub(crate) storage: usize,
    /// Elements before the storage's own first one, for views of legacy files.
    pub(crate) offset: u64,
    pub(crate) shape: Vec<u64>,
    pub(crate) strides: Vec<u64>,
    pub(crate) requires_grad: bool,
    pub(crate) parameter: bool,
    /// What its elements are of those in the storage.
    pub(crate) lazy: Lazy,
}

/// What PyTorch does to elements when it first needs them: bits that a tensor has in its metadata.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Lazy {
    pub(crate) conjugate: bool,
    pub(crate) negative: bool,
}

/// An instance of a class that is not on the list: what it was made of, which is kept and never run.
#[derive(Clone, Debug)]
pub(crate) struct ObjectNode {
    pub(crate) class: String,
    pub(crate) arguments: Vec<Id>,
    /// What BUILD gave it.
    pub(crate) state: Option<Id>,
    /// Items of a class that is also a list.
    pub(crate) list: Vec<Id>,
    /// Entries of a class that is also a dict.
    pub(crate) dict: Vec<(Id, Id)>,
}

/// What becomes of names that are not on the list.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Unknown {
    /// An error.
    Refuse,
    /// Objects that say what they were.
    Keep,
}

/// A value of the graph. Large ones are boxed: a pickle may have a node per byte.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    None,
    Bool(bool),
    Int(i64),
    BigInt(Vec<u8>),
    Float(f64),
    Complex(f64, f64),
    Str(String),
    Bytes(Vec<u8>),
    ByteArray(Vec<u8>),
    List(Vec<Id>),
    Tuple(Vec<Id>),
    Set(Vec<Id>),
    Dict {
        kind: DictKind,
        items: Vec<(Id, Id)>,
        attributes: Option<Id>,
    },
    Global(Global),
    /// A storage; `start` is where a legacy view begins.
    Storage {
        index: usize,
        start: u64,
    },
    Tensor(Box<TensorNode>),
    /// The name of a class or function that is not on the list.
    Class(String),
    /// An instance of such a class, or what such a function would have returned.
    Object(Box<ObjectNode>),
    Size(Vec<usize>),
    Device(String),
    /// A memory layout, by its name.
    Layout(&'static str),
}

/// The nodes of a pickle.
pub(crate) struct Graph {
    pub(crate) nodes: Vec<Node>,
    pub(crate) storages: Vec<StorageRef>,
    /// What became of names that are not on the list.
    pub(crate) unknown: Unknown,
    /// What building values may still spend.
    pub(crate) budget: Budget,
}

/// Reads one pickle: the graph, its root, and where the next byte is.
pub(crate) fn parse(bytes: &[u8], start: usize, dialect: Dialect) -> Result<(Graph, Id, usize), Error> {
    parse_with(bytes, start, dialect, Unknown::Refuse)
}

/// The same, and what becomes of names that are not on the list.
pub(crate) fn parse_with(
    bytes: &[u8],
    start: usize,
    dialect: Dialect,
    unknown: Unknown,
) -> Result<(Graph, Id, usize), Error> {
    let len = bytes.len() as u64;
    parse_within(bytes, start, dialect, Budget::new(len, len), unknown)
}

/// The same within a given budget.
pub(crate) fn parse_within(
    bytes: &[u8],
    start: usize,
    dialect: Dialect,
    budget: Budget,
    unknown: Unknown,
) -> Result<(Graph, Id, usize), Error> {
    let mut machine = Machine {
        unknown,
        bytes,
        at: start,
        dialect,
        graph: Graph { nodes: Vec::new(), storages: Vec::new(), unknown, budget: budget.clone() },
        budget,
        constants: [None; 256 + 4],
        stack: Vec::new(),
        marks: Vec::new(),
        memo: Memo::default(),
        keys: HashMap::new(),
    };
    let root = machine.run().map_err(|error| match error {
        Stop::At(what) => Error::corrupt(format!("pickle, byte {}", machine.at), what),
        Stop::Because(error) => error,
    })?;
    Ok((machine.graph, root, machine.at))
}

/// Why the machine stopped early.
enum Stop {
    /// The bytes make no sense here.
    At(String),
    /// They do, but name something that is not supported.
    Because(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Stop {
        Stop::Because(error)
    }
}

fn bad<T>(what: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::At(what.into()))
}

/// Values by number. Picklers count up from 0, which a list serves.
#[derive(Default)]
struct Memo {
    counted: Vec<Id>,
    others: HashMap<u32, Id>,
}

impl Memo {
    fn len(&self) -> u32 {
        (self.counted.len() + self.others.len()) as u32
    }

    fn get(&self, index: u32) -> Option<Id> {
        self.counted.get(index as usize).or_else(|| self.others.get(&index)).copied()
    }

    fn insert(&mut self, index: u32, id: Id) {
        let next = self.counted.len();
        match index as usize {
            old if old < next => self.counted[old] = id,
            new if new == next => {
                self.others.remove(&index);
                self.counted.push(id);
            }
            _ => drop(self.others.insert(index, id)),
        }
    }
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    dialect: Dialect,
    unknown: Unknown,
    graph: Graph,
    stack: Vec<Id>,
    /// Heights of the stack at which marks lie.
    marks: Vec<usize>,
    memo: Memo,
    /// Storages by key.
    keys: HashMap<String, usize>,
    /// What the machine itself may make and copy. Building has its own.
    budget: Budget,
    /// Nodes of the values that one opcode and at most one byte make: None, True, False, (), small integers.
    constants: [Option<Id>; 256 + 4],
}

impl Machine<'_> {
    fn take(&mut self, len: usize) -> Result<&[u8], Stop> {
        let end = self.at.checked_add(len).filter(|&end| end <= self.bytes.len());
        let Some(end) = end else { return bad("the pickle ends too early") };
        let part = &self.bytes[self.at..end];
        self.at = end;
        Ok(part)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Stop> {
        Ok(self.take(N)?.try_into().expect("as many bytes as asked"))
    }

    fn byte(&mut self) -> Result<u8, Stop> {
        Ok(self.array::<1>()?[0])
    }

    fn line(&mut self) -> Result<String, Stop> {
        // Names of classes are short; a line without end must not be searched again and again.
        let rest = &self.bytes[self.at..self.bytes.len().min(self.at + 1024)];
        let Some(len) = rest.iter().position(|&b| b == b'\n') else { return bad("a name without end") };
        let text = std::str::from_utf8(&rest[..len]).map(str::to_owned);
        self.at += len + 1;
        text.or_else(|_| bad("a name that is not UTF-8"))
    }

    fn text(&mut self, len: usize) -> Result<String, Stop> {
        let bytes = self.take(len)?;
        if let Ok(text) = std::str::from_utf8(bytes) {
            return Ok(text.to_owned());
        }
        // What Python makes of the half of a surrogate pair, which text in Rust cannot hold.
        if bytes.windows(2).any(|pair| pair[0] == 0xed && (0xa0..=0xbf).contains(&pair[1])) {
            return Err(Stop::Because(Error::Unsupported {
                what: "text with half of a surrogate pair".to_owned(),
                advice: "save text.encode('utf-8', 'replace').decode()",
            }));
        }
        bad("text that is not UTF-8")
    }

    /// Makes a node. Its bytes were taken from the input; what else is copied is paid for by the caller.
    fn push(&mut self, node: Node) -> Result<(), Stop> {
        self.budget.spend(0)?;
        self.stack.push(self.graph.nodes.len() as Id);
        self.graph.nodes.push(node);
        Ok(())
    }

    /// The same for an immutable value that occurs often: one node serves all.
    fn push_constant(&mut self, slot: usize, node: Node) -> Result<(), Stop> {
        match self.constants[slot] {
            Some(id) => self.stack.push(id),
            None => {
                self.push(node)?;
                self.constants[slot] = self.stack.last().copied();
            }
        }
        Ok(())
    }

    /// The meaning of a name, or the name itself if it has none and may stand for itself.
    fn name(&mut self, module: &str, name: &str) -> Result<(), Stop> {
        match resolve(module, name) {
            Ok(global) => self.push(Node::Global(global)),
            Err(_) if self.unknown == Unknown::Keep => {
                self.budget.spend(module.len() + name.len())?;
                self.push(Node::Class(format!("{module}.{name}")))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn pop(&mut self) -> Result<Id, Stop> {
        if self.stack.len() <= self.floor() {
            return bad("the stack is empty");
        }
        Ok(self.stack.pop().expect("above the floor"))
    }

    fn top(&self) -> Result<Id, Stop> {
        match self.stack.last() {
            Some(&id) if self.stack.len() > self.floor() => Ok(id),
            _ => bad("the stack is empty"),
        }
    }

    fn pop_mark(&mut self) -> Result<Vec<Id>, Stop> {
        let Some(height) = self.marks.pop() else { return bad("there is no mark") };
        Ok(self.stack.split_off(height))
    }

    fn node(&self, id: Id) -> &Node {
        &self.graph.nodes[id as usize]
    }

    fn run(&mut self) -> Result<Id, Stop> {
        // Protocols 0 and 1 do not say which they are.
        let unnamed = self.bytes.get(self.at).is_some_and(|&first| first != 0x80);
        loop {
            match self.byte()? {
                0x80 => match self.byte()? {
                    2..=5 => {}
                    other => {
                        return Err(Stop::Because(Error::Unsupported {
                            what: format!("pickle protocol {other}"),
                            advice: "save it with torch.save's default protocol",
                        }));
                    }
                },
                b'.' => {
                    let root = self.pop()?;
                    if !self.stack.is_empty() || !self.marks.is_empty() {
                        return bad("values are left over at its end");
                    }
                    return Ok(root);
                }
                b'c' => {
                    let (module, name) = (self.line()?, self.line()?);
                    self.name(&module, &name)?;
                }
                b'q' => {
                    let index = self.byte()? as u32;
                    self.memo.insert(index, self.top()?);
                }
                b'r' => {
                    let index = u32::from_le_bytes(self.array()?);
                    self.memo.insert(index, self.top()?);
                }
                b'h' => {
                    let index = self.byte()? as u32;
                    self.recall(index)?;
                }
                b'j' => {
                    let index = u32::from_le_bytes(self.array()?);
                    self.recall(index)?;
                }
                b'(' => self.marks.push(self.stack.len()),
                b')' => self.push_constant(256, Node::Tuple(Vec::new()))?,
                b't' => {
                    let items = self.pop_mark()?;
                    self.push(Node::Tuple(items))?;
                }
                op @ 0x85..=0x87 => {
                    let mut items = Vec::new();
                    for _ in 0..op - 0x84 {
                        items.push(self.pop()?);
                    }
                    items.reverse();
                    self.push(Node::Tuple(items))?;
                }
                b']' => self.push(Node::List(Vec::new()))?,
                b'a' => {
                    let item = self.pop()?;
                    self.append(vec![item])?;
                }
                b'e' => {
                    let items = self.pop_mark()?;
                    self.append(items)?;
                }
                b'}' => self.push(Node::Dict { kind: DictKind::Plain, items: Vec::new(), attributes: None })?,
                b's' => {
                    let (value, key) = (self.pop()?, self.pop()?);
                    self.set_items(vec![key, value])?;
                }
                b'u' => {
                    let items = self.pop_mark()?;
                    self.set_items(items)?;
                }
                0x8f => self.push(Node::Set(Vec::new()))?,
                0x90 => {
                    let items = self.pop_mark()?;
                    self.add(items)?;
                }
                0x91 => {
                    let items = self.pop_mark()?;
                    self.push(Node::Set(items))?;
                }
                // Frames of protocol 4 say only how much to read at once.
                0x95 => drop(self.take(8)?),
                0x94 => {
                    let index = self.memo.len();
                    self.memo.insert(index, self.top()?);
                }
                0x93 => {
                    let (name, module) = (self.pop()?, self.pop()?);
                    let (module, name) = (self.string(module)?, self.string(name)?);
                    if module.len() + name.len() > 2048 {
                        return bad("a name of a class that is too long");
                    }
                    let (module, name) = (module.to_owned(), name.to_owned());
                    self.name(&module, &name)?;
                }
                b'N' => self.push_constant(257, Node::None)?,
                0x88 => self.push_constant(258, Node::Bool(true))?,
                0x89 => self.push_constant(259, Node::Bool(false))?,
                b'K' => {
                    let value = self.byte()?;
                    self.push_constant(value as usize, Node::Int(value as i64))?;
                }
                b'M' => {
                    let value = u16::from_le_bytes(self.array()?) as i64;
                    self.push(Node::Int(value))?;
                }
                b'J' => {
                    let value = i32::from_le_bytes(self.array()?) as i64;
                    self.push(Node::Int(value))?;
                }
                0x8a => {
                    let len = self.byte()? as usize;
                    self.long(len)?;
                }
                0x8b => {
                    let len = u32::from_le_bytes(self.array()?) as usize;
                    self.long(len)?;
                }
                b'G' => {
                    let value = f64::from_be_bytes(self.array()?);
                    self.push(Node::Float(value))?;
                }
                // Texts, the last two being those of Python 2.
                op @ (b'X' | b'T' | 0x8c | b'U' | 0x8d) => {
                    let len = match op {
                        b'X' | b'T' => u32::from_le_bytes(self.array()?) as usize,
                        0x8d => self.long_length()?,
                        _ => self.byte()? as usize,
                    };
                    let text = self.text(len)?;
                    self.push(Node::Str(text))?;
                }
                // Bytes, which protocol 3 brought, and bytearrays, which protocol 5 did.
                op @ (b'C' | b'B' | 0x8e | 0x96) => {
                    let len = match op {
                        b'C' => self.byte()? as usize,
                        b'B' => u32::from_le_bytes(self.array()?) as usize,
                        _ => self.long_length()?,
                    };
                    let bytes = self.take(len)?.to_vec();
                    self.push(if op == 0x96 { Node::ByteArray(bytes) } else { Node::Bytes(bytes) })?;
                }
                // An object made by its class is a call of it here: the list of names decides what it makes.
                b'R' | 0x81 => {
                    let (arguments, function) = (self.pop()?, self.pop()?);
                    self.call(function, arguments)?;
                }
                b'b' => {
                    let state = self.pop()?;
                    self.build(state)?;
                }
                b'Q' => {
                    let id = self.pop()?;
                    self.persistent(id)?;
                }
                b'I' | b'L' | b'F' | b'V' | b'S' | b'l' | b'd' | b'p' | b'g' | b'P' if unnamed => {
                    return Err(Stop::Because(Error::Unsupported {
                        what: "pickle protocol 0 or 1".to_owned(),
                        advice: "save it with torch.save's default protocol",
                    }));
                }
                other => return bad(format!("opcode 0x{other:02x}, which checkpoints do not have")),
            }
        }
    }

    fn recall(&mut self, index: u32) -> Result<(), Stop> {
        match self.memo.get(index) {
            Some(id) => {
                self.stack.push(id);
                Ok(())
            }
            None => bad(format!("memo entry {index} was never set")),
        }
    }

    /// A length of eight bytes; one beyond memory is beyond the input as well.
    fn long_length(&mut self) -> Result<usize, Stop> {
        let len = u64::from_le_bytes(self.array()?);
        usize::try_from(len).or_else(|_| bad("the pickle ends too early"))
    }

    fn long(&mut self, len: usize) -> Result<(), Stop> {
        let bytes = self.take(len)?;
        let negative = bytes.last().is_some_and(|b| b & 0x80 != 0);
        let node = if len <= 8 {
            let mut wide = [if negative { 0xff } else { 0 }; 8];
            wide[..len].copy_from_slice(bytes);
            Node::Int(i64::from_le_bytes(wide))
        } else {
            Node::BigInt(bytes.to_vec())
        };
        self.push(node)
    }

    fn append(&mut self, items: Vec<Id>) -> Result<(), Stop> {
        let top = self.top()?;
        match &mut self.graph.nodes[top as usize] {
            Node::List(list) => {
                list.extend(items);
                Ok(())
            }
            Node::Object(object) => {
                object.list.extend(items);
                Ok(())
            }
            _ => bad("an item is added to what is no list"),
        }
    }

    /// ADDITEMS: members of a set.
    fn add(&mut self, items: Vec<Id>) -> Result<(), Stop> {
        let top = self.top()?;
        match &mut self.graph.nodes[top as usize] {
            Node::Set(set) => {
                set.extend(items);
                Ok(())
            }
            _ => bad("a member is added to what is no set"),
        }
    }

    fn set_items(&mut self, items: Vec<Id>) -> Result<(), Stop> {
        if !items.len().is_multiple_of(2) {
            return bad("a dict is given a key without a value");
        }
        let top = self.top()?;
        let pairs = match &mut self.graph.nodes[top as usize] {
            Node::Dict { items, .. } => items,
            Node::Object(object) => &mut object.dict,
            _ => return bad("an entry is added to what is no dict"),
        };
        pairs.extend(items.chunks_exact(2).map(|pair| (pair[0], pair[1])));
        Ok(())
    }

    /// BUILD: attributes of an OrderedDict; those of a tensor are dropped.
    fn build(&mut self, state: Id) -> Result<(), Stop> {
        let top = self.top()?;
        if let Node::Object(object) = &mut self.graph.nodes[top as usize] {
            object.state = Some(state);
            return Ok(());
        }
        if !matches!(self.node(state), Node::Dict { .. }) {
            return bad("attributes that are no dict");
        }
        match &mut self.graph.nodes[top as usize] {
            Node::Dict { kind: DictKind::Ordered, attributes, .. } => {
                *attributes = Some(state);
                Ok(())
            }
            Node::Tensor(_) => Ok(()),
            _ => bad("attributes are set on what has none"),
        }
    }
}
