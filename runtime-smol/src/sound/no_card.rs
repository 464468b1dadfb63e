//! In place of the sound card, in a build without: there is none to be opened.

/// What to do about it.
const REMEDY: &str = "this program was built without sound cards; build it with \
    `cargo build --release --features sound` (on Debian and Ubuntu after \
    `apt-get install libasound2-dev pkg-config`)";

/// There is none.
#[derive(Debug)]
pub(crate) enum Speaker {}

impl Speaker {
    pub(crate) fn open() -> Result<Self, String> {
        Err(REMEDY.to_owned())
    }

    pub(crate) fn play(&mut self, _: u32, _: &[i16]) -> Result<(), String> {
        match *self {}
    }
}

/// There is none.
#[derive(Debug)]
pub(crate) enum Microphone {}

impl Microphone {
    pub(crate) fn open() -> Result<Self, String> {
        Err(REMEDY.to_owned())
    }

    pub(crate) fn rate(&self) -> u32 {
        match *self {}
    }

    pub(crate) fn read(&mut self, _: usize, _: &mut Vec<i16>) {
        match *self {}
    }
}
