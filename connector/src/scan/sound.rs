//! Sound: duration and tags. Whether somebody speaks in it is not listened for.

use std::io::{BufReader, SeekFrom};

use lofty::{
    config::{ParseOptions, ParsingMode},
    file::{AudioFile, FileType, TaggedFileExt},
    probe::Probe,
    tag::{ItemKey, ItemValue},
};

use super::{
    find::Kind,
    gather::Gather,
    limits,
    report::{Properties, Reason, Sure},
    source::{Outcome, Source},
};

/// Reads properties and tags of a sound.
pub(super) fn read(
    source: &mut dyn Source,
    size: u64,
    file_type: FileType,
    properties: &mut Properties,
    gather: &mut Gather,
) -> Result<Outcome, Reason> {
    if size > limits::WHOLE_BYTES {
        return Err(Reason::TooLarge);
    }
    source.seek(SeekFrom::Start(0)).map_err(|_| Reason::Io)?;
    let options = ParseOptions::new().parsing_mode(ParsingMode::BestAttempt).read_cover_art(false);
    let probe = Probe::with_file_type(BufReader::new(source), file_type).options(options);
    let file = probe.read().map_err(|_| Reason::Damaged)?;
    properties.milliseconds = u64::try_from(file.properties().duration().as_millis()).ok();
    let mut outcome = Outcome::default();
    gather.begin_text(Some("tags".to_owned()));
    let mut person = false;
    for item in file.tags().iter().flat_map(lofty::tag::Tag::items) {
        let (ItemValue::Text(text) | ItemValue::Locator(text)) = item.value() else { continue };
        let key = item.key();
        person |= matches!(key, ItemKey::TrackArtist | ItemKey::Composer | ItemKey::EncodedBy)
            && !text.trim().is_empty();
        if gather.cell(0, None, text).is_err() {
            outcome.lacks(Reason::TooLarge);
            break;
        }
    }
    if person {
        gather.property(Kind::PersonColumn, Sure::Possible, "artist");
    }
    outcome.lacks(Reason::ContentNotLookedAt);
    Ok(outcome)
}
