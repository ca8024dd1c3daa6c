//! Pictures: size, and what the camera wrote beside them. What they show (faces, plates, screens) is not looked at.

use std::io::{BufReader, Seek, SeekFrom};

use exif::{In, Tag, Value};

use super::{
    find::Kind,
    gather::Gather,
    limits,
    report::{Properties, Reason, Sure},
    source::{Outcome, Source},
};

/// Reads properties of a picture.
pub(super) fn read(
    source: &mut dyn Source,
    size: u64,
    properties: &mut Properties,
    gather: &mut Gather,
) -> Result<Outcome, Reason> {
    if size > limits::WHOLE_BYTES {
        return Err(Reason::TooLarge);
    }
    let mut outcome = Outcome::default();
    source.seek(SeekFrom::Start(0)).map_err(|_| Reason::Io)?;
    let mut reader = BufReader::new(source);
    let pixels = imagesize::reader_size(&mut reader).map_err(|_| Reason::Damaged)?;
    properties.pixels = Some((pixels.width as u64, pixels.height as u64));
    reader.seek(SeekFrom::Start(0)).map_err(|_| Reason::Io)?;
    match exif::Reader::new().read_from_container(&mut reader) {
        Ok(exif) => fields(&exif, gather),
        // Most pictures have none; formats that cannot are of that kind too.
        Err(exif::Error::NotFound(_) | exif::Error::InvalidFormat(_) | exif::Error::NotSupported(_)) => {}
        Err(_) => outcome.lacks(Reason::Parts),
    }
    outcome.lacks(Reason::ContentNotLookedAt);
    Ok(outcome)
}

fn fields(exif: &exif::Exif, gather: &mut Gather) {
    let place = [Tag::GPSLatitude, Tag::GPSLongitude, Tag::GPSDestLatitude, Tag::GPSDestLongitude];
    if place.iter().any(|tag| exif.get_field(*tag, In::PRIMARY).is_some_and(filled)) {
        gather.property(Kind::Position, Sure::Certain, "EXIF GPS");
    }
    if [Tag::Artist, Tag::CameraOwnerName]
        .iter()
        .any(|tag| exif.get_field(*tag, In::PRIMARY).is_some_and(filled))
    {
        gather.property(Kind::PersonColumn, Sure::Possible, "EXIF author");
    }
    gather.begin_text(Some("EXIF".to_owned()));
    for field in exif.fields() {
        let text = if let Value::Ascii(lines) = &field.value {
            lines.iter().map(|line| String::from_utf8_lossy(line)).collect::<Vec<_>>().join(" ")
        } else if let (Value::Undefined(bytes, _), Tag::UserComment) = (&field.value, field.tag) {
            // Eight bytes that name its encoding, then the comment.
            String::from_utf8_lossy(bytes.get(8..).unwrap_or_default()).into_owned()
        } else {
            continue;
        };
        // Fields of a picture are few; its limit of bytes bounds them.
        let _ = gather.cell(0, None, &text);
    }
}

/// Whether a field holds more than zeros and blanks.
fn filled(field: &exif::Field) -> bool {
    if let Value::Ascii(lines) = &field.value {
        return lines.iter().flatten().any(|b| !matches!(b, 0 | b' '));
    }
    if let Value::Rational(parts) = &field.value {
        return parts.iter().any(|part| part.num != 0);
    }
    true
}
