//! Record: what a caller says becomes a file, until a key, silence or a time.

use smol_str::SmolStr;
use telex_dialplan::Outcome;
use telex_dialplan::task::Task;

use super::script::Doing;
use super::{Below, Calls};
use crate::border::{ControlReply, RecordOrder, RecordWhat};
use crate::cx::{CallKey, Cx};
use crate::mediactl::{Piece, Playing, RecordingId};

/// What is played when it begins.
const BEEP: &str = "beep";

/// What came of it, as `RECORD_STATUS` says.
fn status(status: &'static str) -> Outcome {
    Outcome::Set(vec![("RECORD_STATUS".into(), SmolStr::new_static(status))])
}

impl Calls {
    /// Begins to record the caller.
    pub(super) fn record_caller(
        &mut self,
        cx: &mut Cx<'_>,
        below: &mut Below,
        key: CallKey,
        task: Task,
    ) -> Result<Doing, Outcome> {
        let Task::Record { file, silence, most, options } = &task else { return Err(Outcome::Done) };
        let has = |letter: char| options.contains(letter);
        let Some(call) = self.all.get_mut(key) else { return Err(Outcome::Done) };
        if call.answered.is_none() {
            return match (has('s'), has('n')) {
                (true, _) => Err(status("SKIP")),
                (_, true) => {
                    call.warn(cx, "Record: who is not answered yet cannot be recorded");
                    Err(status("ERROR"))
                }
                _ => self.answer_first(cx, below, key, task),
            };
        }
        if has('a') {
            call.warn(cx, "Record: nothing is added to a file, it becomes one of its own");
        }
        let id = call.id;
        let order = RecordOrder::Start { what: RecordWhat::Caller, format: None };
        let reply = self.record_as(cx, id, order, file);
        let Some(call) = self.all.get_mut(key) else { return Err(Outcome::Done) };
        let ControlReply::Recording { .. } = reply else {
            call.warn(cx, "Record: the call is recorded already, or cannot be");
            return Err(status("ERROR"));
        };
        let usual = if has('t') { "*" } else { "#" };
        let ends = match (has('y'), has('x')) {
            (true, _) => "0123456789*#ABCD",
            (_, true) => "",
            _ => usual,
        };
        if let Some(script) = &mut call.script {
            // As long as nothing else ends it.
            script.thread.set("RECORD_STATUS", "HANGUP");
            script.thread.set("RECORDED_FILE", file);
        }
        if !silence.is_zero() {
            call.record_until_quiet(cx, *silence);
        }
        if !has('q') && cx.config.has_prompt(BEEP) {
            let pieces = vec![Piece::Prompt(SmolStr::new_static(BEEP))];
            let language = SmolStr::default();
            call.hear_sound(cx, Some(Playing::Prompts { language, pieces, repeat: false }));
        }
        if !most.is_zero() {
            call.wait(cx, key, *most);
        }
        Ok(Doing::Recording { ends: SmolStr::new_static(ends), operator: has('o') })
    }

    /// A key is pressed by a caller who is recorded.
    pub(super) fn key_recorded(&mut self, cx: &mut Cx<'_>, key: CallKey, digit: char) {
        let script = self.all.get(key).and_then(|call| call.script.as_ref());
        let Some(Doing::Recording { ends, operator }) = script.map(|script| &script.doing) else { return };
        if *operator && digit == '0' {
            self.recorded(cx, key, "OPERATOR");
        } else if ends.contains(digit) {
            self.recorded(cx, key, "DTMF");
        }
    }

    /// Nobody has spoken for a while in what is recorded of a caller.
    pub(super) fn quiet(&mut self, cx: &mut Cx<'_>, below: &mut Below, key: CallKey, recording: RecordingId) {
        let Some(call) = self.all.get(key) else { return };
        let doing = call.script.as_ref().map(|script| &script.doing);
        let this = call.recording.is_some_and(|spec| spec.id == recording);
        if this && matches!(doing, Some(Doing::Recording { .. })) {
            self.recorded(cx, key, "SILENCE");
            self.advance(cx, below, key);
        }
    }

    /// The recording of a caller ends, by this.
    pub(super) fn recorded(&mut self, cx: &mut Cx<'_>, key: CallKey, by: &'static str) {
        let Some(call) = self.all.get_mut(key) else { return };
        call.disarm(cx);
        let id = call.id;
        if let Some(script) = &mut call.script {
            script.over(status(by));
        }
        call.hear_sound(cx, None);
        self.record(cx, id, RecordOrder::Stop);
    }
}
