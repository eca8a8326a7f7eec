//! The layout engine of IPython's pretty printer: groups of text whose separators become line breaks, outermost group
//! first, as soon as a line would be too long.
//!
//! Its quirks are kept, because they show in the text: a hard newline breaks the outermost open group, and when a
//! group is taken from the queue of its depth, the one removed is at the mirrored position.

use std::collections::VecDeque;

/// What waits for the decision whether its line is broken.
enum Pending {
    Text(String),
    /// A space, or a newline and `indent` blanks if its group breaks.
    Space {
        group: usize,
        indent: usize,
    },
}

struct Group {
    depth: usize,
    /// Separators of this group that still wait in the buffer.
    waiting: usize,
    breaks: bool,
}

/// Collects text and separators; [`Printer::finish`] gives the text.
pub(crate) struct Printer {
    out: String,
    max_width: usize,
    /// Columns written on the current line.
    written: usize,
    buffer: VecDeque<Pending>,
    /// Columns that the buffer takes if nothing in it breaks.
    buffered: usize,
    groups: Vec<Group>,
    open: Vec<usize>,
    /// Groups that may still break, by depth.
    queue: Vec<Vec<usize>>,
    indent: usize,
}

impl Printer {
    pub(crate) fn new(max_width: usize) -> Printer {
        let root = Group { depth: 0, waiting: 0, breaks: false };
        Printer {
            out: String::new(),
            max_width,
            written: 0,
            buffer: VecDeque::new(),
            buffered: 0,
            groups: vec![root],
            open: vec![0],
            queue: vec![vec![0]],
            indent: 0,
        }
    }

    /// Adds text without line breaks.
    pub(crate) fn text(&mut self, text: &str) {
        let width = text.chars().count();
        if self.buffer.is_empty() {
            self.out.push_str(text);
            self.written += width;
            return;
        }
        match self.buffer.back_mut() {
            Some(Pending::Text(last)) => last.push_str(text),
            _ => self.buffer.push_back(Pending::Text(text.to_owned())),
        }
        self.buffered += width;
        self.break_outer_groups();
    }

    /// Adds a space that may become a line break.
    pub(crate) fn breakable(&mut self) {
        let group = *self.open.last().expect("the root group stays open");
        if self.groups[group].breaks {
            self.flush();
            self.line_break(self.indent);
            self.buffered = 0;
        } else {
            self.groups[group].waiting += 1;
            self.buffer.push_back(Pending::Space { group, indent: self.indent });
            self.buffered += 1;
            self.break_outer_groups();
        }
    }

    /// Starts a new line, whatever the width.
    pub(crate) fn newline(&mut self) {
        if let Some(group) = self.dequeue() {
            self.break_group(group);
        }
        self.flush();
        self.line_break(self.indent);
        self.buffered = 0;
    }

    /// Opens a group, whose lines are `indent` columns further in.
    pub(crate) fn begin(&mut self, indent: usize, text: &str) {
        if !text.is_empty() {
            self.text(text);
        }
        let depth = self.groups[*self.open.last().expect("the root group stays open")].depth + 1;
        let group = self.groups.len();
        self.groups.push(Group { depth, waiting: 0, breaks: false });
        self.open.push(group);
        if self.queue.len() <= depth {
            self.queue.resize_with(depth + 1, Vec::new);
        }
        self.queue[depth].push(group);
        self.indent += indent;
    }

    /// Closes the innermost group.
    pub(crate) fn end(&mut self, indent: usize, text: &str) {
        self.indent -= indent;
        let group = self.open.pop().expect("begin and end come in pairs");
        if self.groups[group].waiting == 0 {
            self.remove(group);
        }
        if !text.is_empty() {
            self.text(text);
        }
    }

    /// The text.
    pub(crate) fn finish(mut self) -> String {
        self.flush();
        self.out
    }

    fn line_break(&mut self, indent: usize) {
        self.out.push('\n');
        self.out.extend(std::iter::repeat_n(' ', indent));
        self.written = indent;
    }

    /// Writes one pending item; the width it took from the buffer.
    fn write(&mut self, item: Pending) -> usize {
        match item {
            Pending::Text(text) => {
                let width = text.chars().count();
                self.out.push_str(&text);
                self.written += width;
                width
            }
            Pending::Space { group, indent } => {
                self.groups[group].waiting -= 1;
                if self.groups[group].breaks {
                    self.line_break(indent);
                } else {
                    if self.groups[group].waiting == 0 {
                        self.remove(group);
                    }
                    self.out.push(' ');
                    self.written += 1;
                }
                1
            }
        }
    }

    fn flush(&mut self) {
        while let Some(item) = self.buffer.pop_front() {
            self.write(item);
        }
        self.buffered = 0;
    }

    /// Writes all of the buffer up to the text behind the group's last separator.
    fn break_group(&mut self, group: usize) {
        while self.groups[group].waiting > 0 || matches!(self.buffer.front(), Some(Pending::Text(_))) {
            let Some(item) = self.buffer.pop_front() else { return };
            self.buffered -= self.write(item);
        }
    }

    fn break_outer_groups(&mut self) {
        while self.max_width < self.written + self.buffered {
            match self.dequeue() {
                Some(group) => self.break_group(group),
                None => return,
            }
        }
    }

    /// Takes the outermost group that has separators waiting, and marks it as breaking, as all passed over.
    fn dequeue(&mut self) -> Option<usize> {
        for stack in &mut self.queue {
            if let Some(position) = stack.iter().rev().position(|&g| self.groups[g].waiting > 0) {
                let group = stack[stack.len() - 1 - position];
                stack.remove(position);
                self.groups[group].breaks = true;
                return Some(group);
            }
            for group in stack.drain(..) {
                self.groups[group].breaks = true;
            }
        }
        None
    }

    fn remove(&mut self, group: usize) {
        let stack = &mut self.queue[self.groups[group].depth];
        if let Some(position) = stack.iter().position(|&g| g == group) {
            stack.remove(position);
        }
    }
}
