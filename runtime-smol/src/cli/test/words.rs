//! The words of a line of a file of scenarios.

use std::time::Duration;

use telex_dialplan::names::hint;

use crate::config;

/// The longest that a line may take.
const LONGEST: Duration = Duration::from_secs(366 * 86_400);

/// What is wrong with a file of scenarios.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    /// The line, from 1.
    pub(super) line: usize,
    /// The character, from 1.
    pub(super) column: usize,
    /// What is wrong, and what was expected.
    pub(super) message: String,
}

/// A word, or what stands in quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    /// Without the quotes.
    pub(super) text: String,
    /// Where it begins, from 1.
    pub(super) column: usize,
    quoted: bool,
}

/// A line being read from left to right.
#[derive(Debug)]
pub(super) struct Words {
    words: Vec<Word>,
    at: usize,
    /// The line's number.
    pub(super) line: usize,
    /// Behind the last character.
    end: usize,
}

impl Word {
    /// Whether it stands in quotes.
    pub(super) fn is_quoted(&self) -> bool {
        self.quoted
    }
}

impl Words {
    /// Cuts a line into words. `#` with a blank behind it begins a comment: by itself it is a key.
    pub(super) fn of(line: usize, text: &str) -> Result<Self, Wrong> {
        let mut words: Vec<Word> = Vec::new();
        let mut chars = text.chars().zip(1..).peekable();
        let mut open: Option<Word> = None;
        while let Some((c, column)) = chars.next() {
            let blank_follows = chars.peek().is_none_or(|(next, _)| next.is_whitespace());
            if c == '#' && open.is_none() && (words.is_empty() || blank_follows && chars.peek().is_some()) {
                break;
            }
            if c.is_whitespace() {
                words.extend(open.take());
            } else if c == '"' && open.is_none() {
                let mut word = Word { text: String::new(), column, quoted: true };
                loop {
                    match chars.next() {
                        Some(('"', _)) => break,
                        Some((c, _)) => word.text.push(c),
                        None => {
                            return Err(Wrong {
                                line,
                                column,
                                message: "this quote never closes".to_owned(),
                            });
                        }
                    }
                }
                words.push(word);
            } else {
                let word = open.get_or_insert(Word { text: String::new(), column, quoted: false });
                word.text.push(c);
            }
        }
        words.extend(open);
        let end = words
            .last()
            .map_or(1, |word| word.column + word.text.chars().count() + if word.quoted { 2 } else { 0 });
        Ok(Self { words, at: 0, line, end })
    }

    /// Whether all have been read.
    pub(super) fn is_over(&self) -> bool {
        self.at == self.words.len()
    }

    /// Leaves out a colon at the end of the line.
    pub(super) fn drop_colon(&mut self) {
        if let Some(last) = self.words.last_mut().filter(|last| !last.quoted && last.text.ends_with(':')) {
            last.text.pop();
            if last.text.is_empty() {
                self.words.pop();
            }
        }
    }

    /// The next word, which is not read yet.
    pub(super) fn peek(&self) -> Option<&Word> {
        self.words.get(self.at)
    }

    /// Reads this word, if it comes next.
    pub(super) fn take(&mut self, word: &str) -> bool {
        let is = self.peek().is_some_and(|next| !next.quoted && next.text.eq_ignore_ascii_case(word));
        self.at += usize::from(is);
        is
    }

    /// Reads one of these words, whose numbers are given.
    pub(super) fn one_of<T: Copy>(&mut self, known: &[(&str, T)]) -> Result<T, Wrong> {
        match known.iter().find(|(word, _)| self.take(word)) {
            Some((_, meaning)) => Ok(*meaning),
            None => Err(self.expected(&listed(known.iter().map(|(word, _)| *word)))),
        }
    }

    /// Reads this word.
    pub(super) fn must(&mut self, word: &str) -> Result<(), Wrong> {
        if self.take(word) { Ok(()) } else { Err(self.expected(word)) }
    }

    /// Reads any word; `what` says what it should be.
    pub(super) fn any(&mut self, what: &str) -> Result<Word, Wrong> {
        let word = self.peek().cloned().ok_or_else(|| self.expected(what))?;
        self.at += 1;
        Ok(word)
    }

    /// Reads all that is left, as one text.
    pub(super) fn rest(&mut self, what: &str) -> Result<Word, Wrong> {
        let mut first = self.any(what)?;
        while let Some(word) = self.peek() {
            first.text = format!("{} {}", first.text, word.text);
            self.at += 1;
        }
        Ok(first)
    }

    /// Reads a length of time.
    pub(super) fn time(&mut self) -> Result<Duration, Wrong> {
        let word = self.any("a time like 5s, 500ms or 2m")?;
        let time = config::duration(&word.text).filter(|time| *time <= LONGEST);
        time.ok_or_else(|| {
            self.at(&word, format!("`{}` is no time: write 5s, 500ms, 2m or 1h, at most 366d", word.text))
        })
    }

    /// Nothing may follow.
    pub(super) fn over(&self) -> Result<(), Wrong> {
        match self.peek() {
            None => Ok(()),
            Some(word) => {
                Err(self.at(word, format!("`{}` is too much: the line is complete before it", word.text)))
            }
        }
    }

    /// Something is wrong with a word.
    pub(super) fn at(&self, word: &Word, message: String) -> Wrong {
        Wrong { line: self.line, column: word.column, message }
    }

    /// What comes next is not what should come.
    pub(super) fn expected(&self, what: &str) -> Wrong {
        match self.peek() {
            None => Wrong {
                line: self.line,
                column: self.end,
                message: format!("the line ends too early: expected {what}"),
            },
            Some(word) => {
                let known = what
                    .split([',', ' '])
                    .filter(|word| word.len() > 2 && word.chars().all(char::is_alphabetic));
                self.at(
                    word,
                    format!("`{}` is unknown here: expected {what}{}", word.text, hint(&word.text, known)),
                )
            }
        }
    }
}

/// `a, b or c`.
pub(super) fn listed<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let words: Vec<&str> = words.collect();
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => words.concat(),
    }
}
