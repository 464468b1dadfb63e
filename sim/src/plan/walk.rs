//! What a site has written into its dialplan beside what is configured.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::Plan;

/// A context of the dialplan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Context {
    /// Its name. Calls to a number of four digits that begins with 6 begin in [`ENTRY`], at what is left of the number
    /// without the first three.
    pub name: String,
    /// What is looked into after it, as an `include` has it: `b,9:00-17:00,mon-fri,*,*`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub includes: Vec<String>,
    /// Its extensions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extensions: Vec<Extension>,
}

/// An extension of a context.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Extension {
    /// A number or a pattern.
    pub number: String,
    /// What is done, in order.
    pub steps: Vec<String>,
}

/// The context in which calls to these numbers begin.
pub const ENTRY: &str = "walk";

/// Whether a number leads into what the site has written.
pub fn walks(number: &str) -> bool {
    number.len() == 4 && number.starts_with('6') && number.bytes().all(|b| b.is_ascii_digit())
}

impl Plan {
    /// The contexts as text of a dialplan.
    pub(crate) fn contexts_written(&self) -> String {
        let mut text = String::new();
        for context in &self.dialplan {
            let _ = writeln!(text, "\n[{}]", context.name);
            for Extension { number, steps } in &context.extensions {
                for (at, step) in steps.iter().enumerate() {
                    let head =
                        if at == 0 { format!("exten => {number},1,") } else { "same => n,".to_owned() };
                    let _ = writeln!(text, "{head}{step}");
                }
            }
            for include in &context.includes {
                let _ = writeln!(text, "include => {include}");
            }
        }
        text
    }
}
