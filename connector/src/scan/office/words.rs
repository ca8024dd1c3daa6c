//! Text of documents that are zip files of XML: paragraphs of docx, pptx, odt and hwpx, and the other words of xlsx.

use super::{
    xml::{Step, Xml},
    zip::{self, Budget, Entry},
};
use crate::scan::{
    find::Kind,
    gather::Gather,
    report::{Reason, Sure},
    source::{Outcome, Source},
};

/// What is read of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::scan) enum Sort {
    Word,
    Slides,
    OpenDocument,
    Hwpx,
    /// What stands beside the cells of a spreadsheet.
    Sheet,
}

impl Sort {
    /// Whether an entry holds text.
    fn holds(self, name: &str) -> bool {
        let xml = name.ends_with(".xml");
        xml && match self {
            Self::Word => name.starts_with("word/") && !name.contains('/') || word(name),
            Self::Slides => {
                ["ppt/slides/", "ppt/notesSlides/", "ppt/comments/"].iter().any(|p| name.starts_with(p))
            }
            Self::OpenDocument => name == "content.xml",
            Self::Hwpx => name.starts_with("Contents/section") || name.starts_with("Contents/masterpage"),
            Self::Sheet => ["xl/comments", "xl/drawings/drawing", "xl/threadedComments/"]
                .iter()
                .any(|p| name.starts_with(p)),
        }
    }
}

fn word(name: &str) -> bool {
    const PARTS: [&str; 6] = ["document", "header", "footer", "comments", "footnotes", "endnotes"];
    name.strip_prefix("word/").is_some_and(|name| PARTS.iter().any(|part| name.starts_with(part)))
}

/// Reads every entry with text.
pub(in crate::scan) fn read(
    sort: Sort,
    source: &mut dyn Source,
    entries: &[Entry],
    budget: &mut Budget,
    gather: &mut Gather,
) -> Result<Outcome, Reason> {
    let mut outcome = Outcome::default();
    let mut any = false;
    for entry in entries {
        let properties = matches!(entry.name.as_str(), "docProps/core.xml" | "meta.xml");
        if !properties && !sort.holds(&entry.name) {
            continue;
        }
        let open = zip::open(source, entry, budget);
        let read = open.and_then(|open| {
            if properties {
                return author(Xml::new(open), gather);
            }
            gather.begin_text(Some(entry.name.clone()));
            paragraphs(Xml::new(open), gather)
        });
        match read {
            Ok(()) => any |= !properties,
            Err(reason) => outcome.lacks(reason),
        }
    }
    if sort == Sort::Sheet || any {
        return Ok(outcome);
    }
    Err(outcome.partial.unwrap_or(Reason::Damaged))
}

/// Each paragraph is a line.
fn paragraphs(mut xml: Xml<'_>, gather: &mut Gather) -> Result<(), Reason> {
    let mut line = String::new();
    let mut row = 0;
    loop {
        let step = xml.step()?;
        match &step {
            Step::Text(text) => line.push_str(text),
            Step::Open(name, _) if matches!(name.as_str(), "tab" | "br" | "s" | "lineBreak") => {
                line.push(' ')
            }
            Step::Open(..) => {}
            Step::Close(name)
                if !matches!(name.as_str(), "p" | "comment" | "text" | "si" | "h" | "threadedComment") => {}
            Step::Close(_) | Step::End => {
                if !line.trim().is_empty() {
                    row += 1;
                    gather.cell(0, Some(row), &line).map_err(|_| Reason::TooLarge)?;
                }
                line.clear();
            }
        }
        if step == Step::End {
            return Ok(());
        }
        if line.len() > crate::scan::limits::CELL_BYTES {
            gather.cell(0, Some(row), &line).map_err(|_| Reason::TooLarge)?;
            line.clear();
            gather.cut();
        }
    }
}

/// Documents name who wrote them.
fn author(mut xml: Xml<'_>, gather: &mut Gather) -> Result<(), Reason> {
    let mut inside = false;
    loop {
        match xml.step()? {
            Step::Open(name, _) => {
                inside = matches!(name.as_str(), "creator" | "lastModifiedBy" | "initial-creator")
            }
            Step::Close(_) => inside = false,
            Step::Text(text) if inside && !text.trim().is_empty() => {
                gather.property(Kind::PersonColumn, Sure::Possible, "author");
                return Ok(());
            }
            Step::Text(_) => {}
            Step::End => return Ok(()),
        }
    }
}
