//! How much of everything a dialplan may have. What is over a limit is an error of the text, never a crash.

/// Characters of an extension, a context, a label and a caller's pattern.
pub const NAME: usize = 80;
/// Characters of a line.
pub const LINE: usize = 8_192;
/// Octets of all texts together.
pub const TEXT: usize = 32 * 1024 * 1024;
/// Lines of all texts together, without empty ones and comments.
pub const LINES: usize = 1_500_000;
/// Files together.
pub const FILES: usize = 256;
/// How deep files may include each other.
pub const FILE_DEPTH: usize = 10;
/// Contexts.
pub const CONTEXTS: usize = 10_000;
/// Extensions of all contexts together.
pub const EXTENSIONS: usize = 200_000;
/// Priorities of all extensions together, and lines that templates bring.
pub const STEPS: usize = 1_000_000;
/// The highest priority.
pub const PRIORITY: u32 = 99_999;
/// Lines `include` of one context, and contexts looked into for one number.
pub const INCLUDES: usize = 128;
/// Lines of `[general]` and of `[globals]`.
pub const SETTINGS: usize = 10_000;
/// Problems that are told; the rest is counted.
pub const PROBLEMS: usize = 200;
