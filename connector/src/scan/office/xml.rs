//! Reads XML from start to end as tags and text. Entities other than those of the standard are left out; nothing outside the
//! text is fetched.

use std::io::BufReader;

use quick_xml::{
    Reader,
    events::{BytesStart, Event},
};

use super::zip::Unpacked;
use crate::scan::{limits, report::Reason};

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::scan) enum Step {
    /// A tag opens: its name without prefix, and its attributes without prefixes.
    Open(String, Vec<(String, String)>),
    /// A tag closes.
    Close(String),
    /// Text, as it stands between tags.
    Text(String),
    /// The end.
    End,
}

/// A document in an unpacked entry.
pub(in crate::scan) struct Xml<'a> {
    reader: Reader<BufReader<Unpacked<'a>>>,
    buffer: Vec<u8>,
    depth: usize,
    /// The name of an empty tag that is yet to close.
    empty: Option<String>,
}

impl<'a> Xml<'a> {
    pub(in crate::scan) fn new(entry: Unpacked<'a>) -> Self {
        Self { reader: Reader::from_reader(BufReader::new(entry)), buffer: Vec::new(), depth: 0, empty: None }
    }

    /// The next step.
    pub(in crate::scan) fn step(&mut self) -> Result<Step, Reason> {
        if let Some(name) = self.empty.take() {
            return Ok(Step::Close(name));
        }
        loop {
            self.buffer.clear();
            self.reader.get_mut().get_mut().budget.step();
            let event = match self.reader.read_event_into(&mut self.buffer) {
                Ok(event) => event,
                Err(_) if self.reader.get_ref().get_ref().budget.spent() => return Err(Reason::Unpacks),
                Err(_) => return Err(Reason::Damaged),
            };
            return Ok(match event {
                Event::Start(tag) => {
                    self.depth += 1;
                    if self.depth > limits::NESTING {
                        return Err(Reason::TooDeep);
                    }
                    Step::Open(local(tag.local_name().as_ref()), attributes(&tag))
                }
                Event::Empty(tag) => {
                    let name = local(tag.local_name().as_ref());
                    self.empty = Some(name.clone());
                    Step::Open(name, attributes(&tag))
                }
                Event::End(tag) => {
                    self.depth = self.depth.saturating_sub(1);
                    Step::Close(local(tag.local_name().as_ref()))
                }
                Event::Text(text) => Step::Text(local(&text)),
                Event::CData(text) => Step::Text(local(&text)),
                Event::GeneralRef(entity) => Step::Text(resolved(&local(&entity))),
                Event::Eof if self.depth > 0 => return Err(Reason::Damaged),
                Event::Eof => Step::End,
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => continue,
            });
        }
    }
}

fn local(text: &str) -> String {
    text.to_owned()
}

fn attributes(tag: &BytesStart<'_>) -> Vec<(String, String)> {
    tag.attributes()
        .with_checks(false)
        .filter_map(Result::ok)
        .take(limits::NESTING)
        .map(|attribute| (local(attribute.key.local_name().as_ref()), local(&attribute.value)))
        .collect()
}

fn resolved(entity: &str) -> String {
    let coded = entity.strip_prefix('#').and_then(|code| match code.strip_prefix('x') {
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        None => code.parse().ok(),
    });
    match (coded.and_then(char::from_u32), entity) {
        (Some(c), _) => c.to_string(),
        (None, "amp") => "&".to_owned(),
        (None, "lt") => "<".to_owned(),
        (None, "gt") => ">".to_owned(),
        (None, "quot") => "\"".to_owned(),
        (None, "apos") => "'".to_owned(),
        (None, _) => " ".to_owned(),
    }
}
