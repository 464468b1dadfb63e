//! The directory of names: a caller spells the beginning of a name on the keys, hears whom that may be, and takes one.

use std::time::Duration;

use smol_str::SmolStr;

use crate::app::{Args, DIGIT, RESPONSE, millis, say};
use crate::find::At;
use crate::scene::Scene;
use crate::task::{Collect, Say, Until};

/// How often a caller is asked for a name.
const ROUNDS: u8 = 3;
/// How often it hears an offer that it says nothing to.
const REPEATS: u8 = 2;
/// Letters asked for when it is not said.
const LETTERS: u8 = 3;
/// Names that fit, at most; who is meant by more has to be spelled further.
const FOUND: usize = 30;
/// Names of one page of a menu; 9 is for the next page.
const PAGE: usize = 8;

/// Which word of a name is spelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
enum By {
    First,
    Last,
    Both,
    Any,
}

/// A directory that a caller is in.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Directory {
    pub(crate) context: SmolStr,
    by: By,
    letters: u8,
    /// The extension is said with the name.
    numbers: bool,
    /// Names are offered as a menu.
    menu: bool,
    pause: Duration,
    rounds: u8,
    repeats: u8,
    /// Who fits what was spelled, extension and name, and how many of these have been offered and not taken; none
    /// while a name is being spelled.
    found: Vec<(SmolStr, SmolStr)>,
    at: usize,
}

/// Where the keys of a caller lead.
pub(crate) enum Led {
    /// To more to be heard.
    Ask(Collect),
    /// To an extension of the context; what is said of it is `DIRECTORY_RESULT`.
    To(SmolStr, &'static str),
    /// Nowhere.
    Nowhere(&'static str),
}

impl Directory {
    /// As the arguments of a step say.
    pub(crate) fn new(args: &Args, scene: &Scene<'_>) -> Self {
        let named = [args.text(1), args.text(0)].into_iter().find(|name| !name.is_empty());
        let context = named.map_or_else(|| scene.channel.place.context.clone(), SmolStr::new);
        let option = |wanted: char| args.options.iter().find(|(letter, _)| *letter == wanted);
        let by = [('f', By::First), ('l', By::Last), ('b', By::Both), ('a', By::Any)];
        let chosen = by.into_iter().find_map(|(letter, by)| Some((by, option(letter)?.1.parse().ok())));
        let (by, letters) = chosen.unwrap_or((By::Last, None));
        Self {
            context,
            by,
            letters: letters.filter(|letters| (1..=16).contains(letters)).unwrap_or(LETTERS),
            numbers: option('e').is_some(),
            menu: option('m').is_some(),
            pause: option('p').map(|(_, text)| millis(text)).unwrap_or_default(),
            rounds: 0,
            repeats: 0,
            found: Vec::new(),
            at: 0,
        }
    }

    /// Asks for a name, after having said this.
    pub(crate) fn ask(&mut self, scene: &Scene<'_>, first: &'static str) -> Collect {
        self.rounds += 1;
        (self.found, self.at, self.repeats) = (Vec::new(), 0, 0);
        let which = match self.by {
            By::First => "dir-first",
            By::Last => "dir-last",
            By::Both | By::Any => "dir-firstlast",
        };
        let names = [first, "dir-pls-enter", which, "dir-usingkeypad"];
        let say = names.into_iter().map(|name| Say::Prompt(SmolStr::new_static(name))).collect();
        self.collect(scene, say, self.letters)
    }

    fn collect(&self, scene: &Scene<'_>, mut say: Vec<Say>, max: u8) -> Collect {
        if !self.pause.is_zero() {
            say.insert(0, Say::Pause(self.pause));
        }
        say.truncate(say::MAX_SAID);
        Collect {
            say,
            first: scene.channel.response.unwrap_or(RESPONSE),
            next: scene.channel.digit.unwrap_or(DIGIT),
            until: Until::Count { max, terminators: SmolStr::new_static("#") },
            barge: true,
            only: None,
            meanwhile: None,
        }
    }

    /// What keys lead to.
    pub(crate) fn keys(&mut self, keys: &str, scene: &mut Scene<'_>) -> Led {
        if self.found.is_empty() { self.spelled(keys, scene) } else { self.chosen(keys, scene) }
    }

    fn spelled(&mut self, keys: &str, scene: &mut Scene<'_>) -> Led {
        match keys {
            "" => return self.again(scene, "TIMEOUT", "dir-welcome"),
            "0" => return Led::To(SmolStr::new_static("o"), "OPERATOR"),
            "*" => return Led::To(SmolStr::new_static("a"), "ASSISTANT"),
            _ => {}
        }
        self.found = self.who(keys, scene);
        match self.found.is_empty() {
            true => self.again(scene, "FAILED", "dir-nomatch"),
            false => Led::Ask(self.offer(scene)),
        }
    }

    fn again(&mut self, scene: &Scene<'_>, result: &'static str, first: &'static str) -> Led {
        if self.rounds < ROUNDS { Led::Ask(self.ask(scene, first)) } else { Led::Nowhere(result) }
    }

    fn chosen(&mut self, keys: &str, scene: &mut Scene<'_>) -> Led {
        let step = if self.menu { PAGE } else { 1 };
        let left = &self.found[self.at.min(self.found.len())..];
        let taken = match keys.parse::<usize>() {
            Ok(number) if (1..=step).contains(&number) => left.get(number - 1),
            _ => None,
        };
        if let Some((extension, _)) = taken {
            return Led::To(extension.clone(), "SELECTED");
        }
        let onward = if self.menu { "9" } else { "*" };
        if keys == onward {
            (self.at, self.repeats) = (self.at + step, 0);
        } else {
            self.repeats += 1;
            if self.repeats > REPEATS {
                return Led::Nowhere("TIMEOUT");
            }
        }
        match self.at < self.found.len() {
            true => Led::Ask(self.offer(scene)),
            false => self.again(scene, "FAILED", "dir-nomore"),
        }
    }

    /// Says who fits next.
    fn offer(&self, scene: &Scene<'_>) -> Collect {
        let mut heard = Vec::new();
        let name = |name: &'static str| Say::Prompt(SmolStr::new_static(name));
        let left = &self.found[self.at.min(self.found.len())..];
        if !self.menu {
            heard.extend(left.first().into_iter().flat_map(|one| self.spoken(one, scene)));
            heard.push(name("dir-instr"));
            return self.collect(scene, heard, 1);
        }
        for (number, one) in left.iter().take(PAGE).enumerate() {
            heard.push(name("dir-multi1"));
            heard.extend(say::digits(&(number + 1).to_string()));
            heard.push(name("dir-multi2"));
            heard.extend(self.spoken(one, scene));
        }
        if left.len() > PAGE {
            heard.push(name("dir-multi9"));
        }
        self.collect(scene, heard, 1)
    }

    /// A name as it is said: by the prompt `names/EXTENSION` where there is one, else letter by letter.
    fn spoken(&self, (extension, name): &(SmolStr, SmolStr), scene: &Scene<'_>) -> Vec<Say> {
        let own = smol_str::format_smolstr!("names/{extension}");
        let mut said = if scene.world.has_prompt(&own) { vec![Say::Prompt(own)] } else { say::alpha(name) };
        if self.numbers {
            said.push(Say::Prompt(SmolStr::new_static("dir-multi3")));
            said.extend(say::digits(extension));
        }
        said
    }

    /// Whose names fit these keys, and who can be reached in the context, by name.
    fn who(&self, keys: &str, scene: &Scene<'_>) -> Vec<(SmolStr, SmolStr)> {
        let mut found = Vec::new();
        let there = |extension: &str| scene.find(&self.context, extension, At::Priority(1)).is_some();
        scene.world.names(&mut |extension, name| {
            if found.len() < FOUND && self.fits(name, keys) && there(extension) {
                found.push((SmolStr::new(extension), SmolStr::new(name)));
            }
        });
        found.sort_by(|a, b| (&a.1, &a.0).cmp(&(&b.1, &b.0)));
        found
    }

    fn fits(&self, name: &str, keys: &str) -> bool {
        let mut words = name.split_whitespace().filter(|word| word.chars().any(|c| key_of(c).is_some()));
        let fits = |word: &str| begins(word, keys);
        match self.by {
            By::First => words.next().is_some_and(fits),
            By::Last => words.next_back().is_some_and(fits),
            By::Any => words.any(fits),
            By::Both => {
                let (first, last) = (words.next(), words.next_back());
                first.is_some_and(fits) || last.is_some_and(fits)
            }
        }
    }
}

fn begins(word: &str, keys: &str) -> bool {
    let mut spelled = word.chars().filter_map(key_of);
    keys.chars().all(|key| spelled.next() == Some(key))
}

/// The key that a letter stands on (ITU-T E.161), whatever its accent.
fn key_of(c: char) -> Option<char> {
    Some(match c.to_lowercase().next()? {
        'a'..='c' | 'ä' | 'à' | 'á' | 'â' | 'å' | 'ã' | 'æ' | 'ç' => '2',
        'd'..='f' | 'é' | 'è' | 'ê' | 'ë' | 'ð' => '3',
        'g'..='i' | 'í' | 'ì' | 'î' | 'ï' => '4',
        'j'..='l' | 'ł' => '5',
        'm'..='o' | 'ö' | 'ó' | 'ò' | 'ô' | 'õ' | 'ø' | 'ñ' => '6',
        'p'..='s' | 'ß' | 'š' => '7',
        't'..='v' | 'ü' | 'ú' | 'ù' | 'û' => '8',
        'w'..='z' | 'ý' | 'ž' => '9',
        digit @ '0'..='9' => digit,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::Facts;
    use crate::plan::Dialplan;
    use crate::scene::Caller;
    use crate::task::{Outcome, Task};
    use crate::thread::Thread;

    const PLAN: &str = "[t]\nexten => s,1,Directory(,,OPTIONS)\n same => n,NoOp(${DIRECTORY_RESULT})\n\
                        exten => _1XX,1,Wait(1)\nexten => o,1,Wait(2)\nexten => a,1,Wait(3)\n";

    fn world() -> Facts {
        let names =
            [("101", "Bob Brown"), ("102", "Zoe Arnold"), ("103", "Anna Brandt"), ("200", "Bo Brunner")];
        let names = names.map(|(extension, name)| (SmolStr::new(extension), SmolStr::new(name)));
        let missing = ["names/102", "names/103", "names/200"].map(SmolStr::new).into();
        Facts { names: names.into(), missing, ..Facts::at(0, "UTC") }
    }

    /// What a caller hears who presses these keys, a text for each question, and where it ends.
    fn walk(options: &str, keys: &[&str]) -> (Vec<String>, String) {
        let plan = Dialplan::parse("t", &PLAN.replace("OPTIONS", options)).unwrap();
        let (mut thread, mut world) = (Thread::new("t", "s", Caller::default()), world());
        let (mut heard, mut keys) = (Vec::new(), keys.iter());
        let mut outcome = None;
        loop {
            if let Some(outcome) = outcome.take() {
                thread.resume(outcome);
            }
            outcome = Some(match thread.next(&plan, &mut world) {
                Some(Task::Collect(collect)) => {
                    let name = |say: &Say| match say {
                        Say::Prompt(name) => name.to_string(),
                        Say::Pause(time) => format!("{} ms", time.as_millis()),
                    };
                    heard.push(collect.say.iter().map(name).collect::<Vec<_>>().join(" "));
                    let keys = SmolStr::new(*keys.next().unwrap_or(&""));
                    Outcome::Keys { timeout: keys.is_empty(), keys }
                }
                Some(Task::Answer(_)) => Outcome::Done,
                Some(Task::Wait(_)) => return (heard, thread.place().extension.to_string()),
                _ => return (heard, thread.variable("DIRECTORY_RESULT").unwrap_or_default().to_owned()),
            });
        }
    }

    #[test]
    fn a_name_is_spelled_heard_and_taken() {
        let (heard, end) = walk("", &["272", "*", "1"]);
        assert_eq!(end, "TIMEOUT", "one is offered, no more are, none begins with 1, nothing is pressed");
        assert_eq!(heard[2].split(' ').next(), Some("dir-nomore"));
        assert_eq!((heard[3].split(' ').next(), heard.len()), (Some("dir-nomatch"), 4));
        let (heard, end) = walk("", &["27", "*", "1"]);
        assert_eq!(
            heard,
            [
                "dir-welcome dir-pls-enter dir-last dir-usingkeypad",
                "letters/a letters/n letters/n letters/a letters/space letters/b letters/r letters/a letters/n \
                 letters/d letters/t dir-instr",
                "names/101 dir-instr",
            ]
        );
        assert_eq!(end, "101");
    }

    #[test]
    fn names_are_found_by_first_or_any_word_and_offered_as_a_menu() {
        let (heard, end) = walk("f(2)e", &["26", "1"]);
        let offered = "letters/a letters/n letters/n letters/a letters/space letters/b letters/r letters/a letters/n \
                       letters/d letters/t dir-multi3 digits/1 digits/0 digits/3 dir-instr";
        assert_eq!(
            (heard[1].as_str(), end.as_str()),
            (offered, "103"),
            "Bob would be next, who is at 200 is not here"
        );
        let (heard, end) = walk("bm", &["26", "2"]);
        assert!(heard[1].starts_with("dir-multi1 digits/1 dir-multi2 letters/a"), "{heard:?}");
        assert!(heard[1].ends_with("dir-multi1 digits/2 dir-multi2 names/101"), "{heard:?}");
        assert_eq!(end, "101");
        let (heard, _) = walk("p(500)", &[]);
        assert_eq!(heard.len(), 3, "it is asked three times");
        assert!(heard[0].starts_with("500 ms dir-welcome"));
    }

    #[test]
    fn who_wants_the_operator_or_says_nothing_to_an_offer_gets_out() {
        assert_eq!(walk("", &["0"]).1, "o");
        assert_eq!(walk("", &["*"]).1, "a");
        let (heard, end) = walk("", &["272"]);
        assert_eq!((heard.len(), end.as_str()), (4, "TIMEOUT"), "an offer is heard three times");
    }

    #[test]
    fn letters_stand_on_their_keys_whatever_their_accents() {
        assert!(begins("Müller", "685537") && begins("o'Neill", "6634") && !begins("Al", "255"));
    }
}
