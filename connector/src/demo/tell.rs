//! How the demo speaks: lines for a reader, or one JSON object a line for a program.

use std::io::{IsTerminal as _, Write as _};

use naru_protocol::error::Lang;
use serde_json::{Map, Value, json};

use crate::cli::versioned;

/// The nine steps in order; a heading is printed when the first line of a step is told.
const STEPS: [(&str, &str); 9] = [
    ("publish", "공개"),
    ("discover", "찾기"),
    ("offer", "제안"),
    ("decide", "판정"),
    ("agree", "합의"),
    ("transfer", "전송"),
    ("receipt", "수령"),
    ("log", "기록"),
    ("audit", "감사"),
];

/// Prints what happens, and remembers whether all of it held.
#[derive(Debug)]
pub struct Teller {
    json: bool,
    lang: Lang,
    colour: bool,
    held: bool,
    last: String,
}

impl Teller {
    /// Speaks `lang`, or JSON.
    #[must_use]
    pub fn new(json: bool, lang: Lang) -> Self {
        Self { json, lang, colour: !json && std::io::stdout().is_terminal(), held: true, last: String::new() }
    }

    /// The reader's language.
    #[must_use]
    pub const fn lang(&self) -> Lang {
        self.lang
    }

    /// Everything told so far held.
    #[must_use]
    pub const fn held(&self) -> bool {
        self.held
    }

    /// Tells one thing that held or did not, in the reader's language, with machine-readable facts.
    pub fn tell(&mut self, step: &str, ok: bool, node: &str, en: &str, ko: &str, facts: Value) {
        self.held &= ok;
        let text = self.lang.pick(en, ko);
        if self.json {
            let mut line = Map::new();
            line.insert("step".into(), json!(step));
            line.insert("ok".into(), json!(ok));
            line.insert("node".into(), json!(node));
            line.insert("text".into(), json!(text));
            if let Value::Object(facts) = facts {
                line.extend(facts);
            }
            self.print(&versioned(Value::Object(line)).to_string());
            return;
        }
        if self.last != step {
            self.last = step.to_owned();
            if let Some(n) = STEPS.iter().position(|(name, _)| *name == step) {
                let heading = format!("{} {}", n + 1, self.lang.pick(STEPS[n].0, STEPS[n].1));
                self.print(&self.paint("1", &heading));
            }
        }
        let mark = if ok { self.paint("32", "✓") } else { self.paint("31", "✗") };
        let node = if node.is_empty() { String::new() } else { format!("{node}: ") };
        self.print(&format!("  {mark} {node}{text}"));
    }

    /// A line for people only; nothing in JSON.
    pub fn say(&self, en: &str, ko: &str) {
        if !self.json {
            self.print(self.lang.pick(en, ko));
        }
    }

    /// The last line of the JSON form; nothing for people.
    pub fn summary(&self, value: &Value) {
        if self.json {
            self.print(&versioned(value.clone()).to_string());
        }
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    fn print(&self, line: &str) {
        // A reader who closed the pipe has seen enough: the demo still goes on to its exit code.
        let _ = writeln!(std::io::stdout(), "{line}");
    }
}
