//! Patterns of a context as a tree, so that what fits a number is found without looking at the others.

use std::ops::ControlFlow;

use crate::pattern::{Pattern, Position, Set};

/// How an extension fits a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fit {
    /// Wholly, and nothing longer.
    Whole,
    /// By `.`: as it is, and longer too.
    Open,
    /// By `!`: as it is, and that is final.
    Early,
    /// Not yet: more must follow.
    Begun,
}

/// The tree. Going down it in order gives the extensions in the order of [`crate::pattern`].
#[derive(Debug, Default)]
pub(crate) struct Tree {
    nodes: Vec<Node>,
}

/// What may come next. Extensions are numbers in the context's list.
#[derive(Debug, Default)]
struct Node {
    plain: Vec<(u8, u32)>,
    sets: Vec<(Set, u32)>,
    rest: Vec<u32>,
    early: Vec<u32>,
    end: Vec<u32>,
}

/// Called with an extension and how it fits; ends the walk by breaking.
pub(crate) type Visit<'a> = dyn FnMut(usize, Fit) -> ControlFlow<()> + 'a;

impl Tree {
    /// Adds an extension; those that come first must be added first.
    pub(crate) fn add(&mut self, pattern: &Pattern, extension: u32) {
        let mut at = self.node(None);
        for position in pattern.positions() {
            let node = &self.nodes[at];
            // In order, so that the one looked for can only be the last.
            let next = match position {
                Position::One(octet) => {
                    node.plain.last().filter(|(last, _)| *last == octet).map(|(_, next)| *next)
                }
                Position::Set(set) => {
                    node.sets.last().filter(|(last, _)| *last == set).map(|(_, next)| *next)
                }
                Position::Rest => return self.nodes[at].rest.push(extension),
                Position::Early => return self.nodes[at].early.push(extension),
            };
            at = match (next, position) {
                (Some(next), _) => next as usize,
                (None, position) => {
                    let next = self.nodes.len() as u32;
                    match position {
                        Position::Set(set) => self.nodes[at].sets.push((set, next)),
                        Position::One(octet) => self.nodes[at].plain.push((octet, next)),
                        Position::Rest | Position::Early => {}
                    }
                    self.node(Some(next as usize))
                }
            };
        }
        self.nodes[at].end.push(extension);
    }

    fn node(&mut self, new: Option<usize>) -> usize {
        let number = new.unwrap_or(0);
        if number >= self.nodes.len() {
            self.nodes.push(Node::default());
        }
        number
    }

    /// Visits what fits `number`, in order; with `begun` also what could fit when more follows.
    pub(crate) fn walk(&self, number: &[u8], begun: bool, visit: &mut Visit<'_>) -> ControlFlow<()> {
        match self.nodes.first() {
            Some(root) => self.step(root, number, begun, visit),
            None => ControlFlow::Continue(()),
        }
    }

    /// As deep as a pattern is long.
    fn step(&self, node: &Node, number: &[u8], begun: bool, visit: &mut Visit<'_>) -> ControlFlow<()> {
        let Some((octet, tail)) = number.split_first() else {
            if begun {
                self.below(node, visit)?;
                each(&node.rest, Fit::Begun, visit)?;
            }
            each(&node.early, Fit::Early, visit)?;
            return each(&node.end, Fit::Whole, visit);
        };
        if let Ok(at) = node.plain.binary_search_by_key(octet, |(plain, _)| *plain) {
            self.step(&self.nodes[node.plain[at].1 as usize], tail, begun, visit)?;
        }
        for (_, next) in node.sets.iter().filter(|(set, _)| set.has(*octet)) {
            self.step(&self.nodes[*next as usize], tail, begun, visit)?;
        }
        each(&node.rest, Fit::Open, visit)?;
        each(&node.early, Fit::Early, visit)
    }

    /// Everything that needs at least one more character.
    fn below(&self, node: &Node, visit: &mut Visit<'_>) -> ControlFlow<()> {
        let plain = node.plain.iter().map(|(_, next)| next);
        for next in plain.chain(node.sets.iter().map(|(_, next)| next)) {
            let node = &self.nodes[*next as usize];
            self.below(node, visit)?;
            for all in [&node.rest, &node.early, &node.end] {
                each(all, Fit::Begun, visit)?;
            }
        }
        ControlFlow::Continue(())
    }
}

fn each(extensions: &[u32], fit: Fit, visit: &mut Visit<'_>) -> ControlFlow<()> {
    extensions.iter().try_for_each(|extension| visit(*extension as usize, fit))
}
