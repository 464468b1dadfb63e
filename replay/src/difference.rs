//! The first difference between what was recorded and what came out.

use std::fmt;

use telex_engine::time::{Instant, WallTime};
use telex_engine::{Action, Input};

use crate::words;

/// Where a replay and its recording part.
#[derive(Clone, Debug)]
pub struct Difference {
    /// The number of the input, counted from the start of the recording.
    pub step: usize,
    /// When it came.
    pub now: Instant,
    /// The same by the wall clock.
    pub wall: WallTime,
    /// The input; nothing when the machine was woken at a time at which the recorded one was not.
    pub input: Option<Input>,
    /// Whose deadline it was, when the input is a wake.
    pub due: Option<&'static str>,
    /// Which of the outputs of this step differs, counted from 0.
    pub output: usize,
    /// What was recorded there; nothing when there were fewer outputs.
    pub expected: Option<Action>,
    /// What came out; nothing when there were fewer outputs.
    pub got: Option<Action>,
}

/// Where a machine first wants to be woken at another time than the recorded one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parting {
    /// The number of the input after which it is so.
    pub step: usize,
    /// When that was.
    pub now: Instant,
    /// When the recorded machine wanted to be woken.
    pub expected: Option<Instant>,
    /// When this one wants to be, and for whom.
    pub got: Option<(Instant, &'static str)>,
}

impl fmt::Display for Parting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let after = |at: Instant| format!("after {}", words::exact(at.since(self.now)));
        let expected = self.expected.map_or_else(|| "never".to_owned(), after);
        let got = self.got.map_or_else(|| "never".to_owned(), |(at, why)| format!("{}: {why}", after(at)));
        writeln!(f, "timers part after input #{}: the next is due {got}; recorded: {expected}", self.step)
    }
}

/// The first place where two lists of actions differ.
pub(crate) fn first(expected: &[Action], got: &[Action]) -> Option<usize> {
    let longer = expected.len().max(got.len());
    (0..longer).find(|&i| expected.get(i) != got.get(i))
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (step, now) = (self.step, words::seconds(self.now));
        writeln!(f, "first difference: input #{step} at +{now} s, {}", words::clock(self.wall))?;
        match (&self.input, self.due) {
            (Some(Input::Wake), Some(due)) => writeln!(f, "  input     the deadline has come: {due}")?,
            (Some(input), _) => writeln!(f, "  input     {}", shown(&words::input(input)))?,
            (None, due) => {
                let due = due.unwrap_or("a timer");
                writeln!(f, "  before it the deadline has come: {due}; it had not when this was recorded")?;
            }
        }
        writeln!(f, "  output    number {} of this input", self.output + 1)?;
        let say = |action: &Option<Action>| {
            action.as_ref().map_or_else(|| "nothing".to_owned(), |a| shown(&words::action(a)))
        };
        writeln!(f, "  recorded  {}", say(&self.expected))?;
        writeln!(f, "  now       {}", say(&self.got))?;
        match (&self.expected, &self.got) {
            (Some(Action::Transmit { bytes: expected, .. }), Some(Action::Transmit { bytes: got, .. })) => {
                write_lines(f, &String::from_utf8_lossy(expected), &String::from_utf8_lossy(got))
            }
            (Some(expected), Some(got)) => write_lines(f, &format!("{expected:#?}"), &format!("{got:#?}")),
            (Some(Action::Transmit { bytes, .. }), None) => {
                write_lines(f, &String::from_utf8_lossy(bytes), "")
            }
            (None, Some(Action::Transmit { bytes, .. })) => {
                write_lines(f, "", &String::from_utf8_lossy(bytes))
            }
            _ => Ok(()),
        }
    }
}

/// Lines of the longest message that is compared line by line.
const LINES: usize = 400;

/// Both texts, lines that only one has marked with `-` (recorded) and `+` (now).
fn write_lines(f: &mut fmt::Formatter<'_>, expected: &str, got: &str) -> fmt::Result {
    let lines = |text: &'_ str| text.lines().take(LINES).map(str::to_owned).collect::<Vec<_>>();
    let (old, new) = (lines(expected), lines(got));
    let common = common_tails(&old, &new);
    let (mut i, mut j) = (0, 0);
    while i < old.len() || j < new.len() {
        let tail = |i: usize, j: usize| common.get(i).and_then(|row| row.get(j)).copied().unwrap_or(0);
        match (old.get(i), new.get(j)) {
            (Some(a), Some(b)) if a == b => {
                writeln!(f, "    {}", shown(a))?;
                (i, j) = (i + 1, j + 1);
            }
            (Some(a), b) if b.is_none() || tail(i + 1, j) >= tail(i, j + 1) => {
                writeln!(f, "  - {}", shown(a))?;
                i += 1;
            }
            (_, Some(b)) => {
                writeln!(f, "  + {}", shown(b))?;
                j += 1;
            }
            _ => break,
        }
    }
    Ok(())
}

/// How many lines `old[i..]` and `new[j..]` have in common, in order.
fn common_tails(old: &[String], new: &[String]) -> Vec<Vec<u32>> {
    let mut table = vec![vec![0; new.len() + 1]; old.len() + 1];
    for (i, a) in old.iter().enumerate().rev() {
        for (j, b) in new.iter().enumerate().rev() {
            table[i][j] = if a == b { table[i + 1][j + 1] + 1 } else { table[i + 1][j].max(table[i][j + 1]) };
        }
    }
    table
}

/// Without what would move a terminal's cursor.
fn shown(line: &str) -> String {
    line.chars().map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use telex_engine::border::{Flow, StreamId};

    use super::*;

    #[test]
    fn lines_that_differ_stand_under_each_other() {
        let transmit = |text: &'static str| {
            Some(Action::Transmit {
                flow: Flow::Stream { stream: StreamId(1) },
                bytes: Bytes::from_static(text.as_bytes()),
            })
        };
        let difference = Difference {
            step: 12,
            now: Instant::from_millis(1500),
            wall: WallTime::from_unix_millis(1_767_225_601_500),
            input: Some(Input::Wake),
            due: Some("timer B"),
            output: 0,
            expected: transmit("SIP/2.0 200 OK\r\nTo: <sip:a@b>;tag=1\r\nCall-ID: x\r\nCSeq: 1 BYE\r\n\r\n"),
            got: transmit(
                "SIP/2.0 200 OK\r\nTo: <sip:a@b>;tag=2\r\nCall-ID: x\r\nServer: y\r\nCSeq: 1 BYE\r\n\r\n",
            ),
        };
        insta::assert_snapshot!(difference, @r"
        first difference: input #12 at +1.500000 s, 00:00:01.500
          input     the deadline has come: timer B
          output    number 1 of this input
          recorded  TCP stream 1  200 OK  CSeq 1 BYE  Call-ID x
          now       TCP stream 1  200 OK  CSeq 1 BYE  Call-ID x
            SIP/2.0 200 OK
          - To: <sip:a@b>;tag=1
          + To: <sip:a@b>;tag=2
            Call-ID: x
          + Server: y
            CSeq: 1 BYE
        ");
    }

    #[test]
    fn the_first_place_is_found_whatever_the_lengths() {
        let stopped = [Action::Stopped, Action::Stopped];
        assert_eq!(first(&stopped, &stopped), None);
        assert_eq!(first(&stopped, &stopped[..1]), Some(1));
        assert_eq!(first(&[], &stopped), Some(0));
    }
}
