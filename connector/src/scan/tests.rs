//! Whole files of every kind: what is found in them, and that damage never does more than leave them unread.

use std::io::{Cursor, Write};

use super::*;

const YEAR: u16 = 2026;
const SNAPPY: &[u8] = include_bytes!("samples/snappy.parquet");
const GZIP: &[u8] = include_bytes!("samples/gzip_v2.parquet");
const ZSTD: &[u8] = include_bytes!("samples/zstd.parquet");
const BOOK: &[u8] = include_bytes!("samples/book.xlsx");

fn scan(path: &str, bytes: &[u8]) -> FileReport {
    file(path, bytes.len() as u64, &mut Cursor::new(bytes), YEAR)
}

/// Kind, sureness, column and count of the findings.
fn found(report: &FileReport) -> Vec<(Kind, Sure, &str, u64)> {
    report.findings.iter().map(|f| (f.kind, f.sure, f.column.as_deref().unwrap_or("-"), f.found)).collect()
}

fn has(report: &FileReport, kind: Kind, sure: Sure, column: &str, count: u64) {
    assert!(
        found(report).contains(&(kind, sure, column, count)),
        "{kind:?} in {column}: {:#?}",
        report.findings
    );
}

/// A zip file with these entries, packed.
fn zipped(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in entries {
        let mut packer = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
        packer.write_all(content).unwrap();
        let packed = packer.finish().unwrap();
        let offset = file.len() as u32;
        let mut common = vec![20, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        common.extend((packed.len() as u32).to_le_bytes());
        common.extend((content.len() as u32).to_le_bytes());
        common.extend((name.len() as u16).to_le_bytes());
        common.extend([0, 0]);
        file.extend(b"PK\x03\x04");
        file.extend(&common);
        file.extend(name.bytes());
        file.extend(packed);
        directory.extend(b"PK\x01\x02\x14\x00");
        directory.extend(&common);
        directory.extend([0; 10]);
        directory.extend(offset.to_le_bytes());
        directory.extend(name.bytes());
    }
    let start = file.len() as u32;
    file.extend(&directory);
    file.extend(b"PK\x05\x06\0\0\0\0");
    file.extend([(entries.len() as u16).to_le_bytes(), (entries.len() as u16).to_le_bytes()].concat());
    file.extend((directory.len() as u32).to_le_bytes());
    file.extend(start.to_le_bytes());
    file.extend([0, 0]);
    file
}

fn hwpx() -> Vec<u8> {
    let section = "<hs:sec xmlns:hs=\"a\" xmlns:hp=\"b\"><hp:p><hp:run><hp:t>담당 &lt;kim@</hp:t></hp:run>\
        <hp:run><hp:t>example.com&gt;</hp:t></hp:run></hp:p><hp:p><hp:run><hp:t>끝</hp:t></hp:run></hp:p></hs:sec>";
    zipped(&[("mimetype", b"application/hwp+zip"), ("Contents/section0.xml", section.as_bytes())])
}

fn wav() -> Vec<u8> {
    let artist = b"kim@example.com\0";
    let mut info = b"INFOIART".to_vec();
    info.extend((artist.len() as u32).to_le_bytes());
    info.extend(artist);
    let mut file = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0".to_vec();
    file.extend(8000_u32.to_le_bytes());
    file.extend(16_000_u32.to_le_bytes());
    file.extend([2, 0, 16, 0]);
    file.extend(b"LIST");
    file.extend((info.len() as u32).to_le_bytes());
    file.extend(info);
    file.extend(b"data");
    file.extend(16_000_u32.to_le_bytes());
    file.extend([0; 16_000]);
    let size = (file.len() - 8) as u32;
    file[4..8].copy_from_slice(&size.to_le_bytes());
    file
}

/// A picture of one black point whose EXIF block has a position, or not.
fn jpeg(position: bool) -> Vec<u8> {
    let mut tiff = b"MM\0*\0\0\0\x08".to_vec();
    // One entry: where the block of positions is.
    tiff.extend([0, 1, 0x88, 0x25, 0, 4, 0, 0, 0, 1, 0, 0, 0, 26, 0, 0, 0, 0]);
    // Latitude reference, latitude of three rationals.
    tiff.extend([0, 2, 0, 1, 0, 2, 0, 0, 0, 2, b'N', 0, 0, 0]);
    tiff.extend([0, 2, 0, 5, 0, 0, 0, 3, 0, 0, 0, 56, 0, 0, 0, 0]);
    for part in [37, 33, 59] {
        tiff.extend([0, 0, 0, if position { part } else { 0 }, 0, 0, 0, 1]);
    }
    let mut file = vec![0xff, 0xd8, 0xff, 0xe1];
    file.extend(((tiff.len() + 8) as u16).to_be_bytes());
    file.extend(b"Exif\0\0");
    file.extend(tiff);
    file.extend([0xff, 0xc0, 0, 11, 8, 0, 2, 0, 3, 1, 1, 0x11, 0, 0xff, 0xd9]);
    file
}

fn euc_kr(text: &str) -> Vec<u8> {
    encoding_rs::EUC_KR.encode(text).0.into_owned()
}

/// All samples by name.
fn samples() -> Vec<(&'static str, Vec<u8>)> {
    let csv = "성명,주민번호\n홍길동,900101-1234568\n김철수,850202-2345675\n";
    vec![
        ("a.csv", csv.into()),
        ("cp949.csv", euc_kr(csv)),
        (
            "utf16.csv",
            core::iter::once(0xfeff).chain(csv.encode_utf16()).flat_map(u16::to_le_bytes).collect(),
        ),
        ("a.jsonl", b"{\"mail\":\"kim@example.com\"}\n{\"mail\":[{\"x\":\"010-1234-5678\"}]}\n".to_vec()),
        ("a.json", b"[{\"mail\":\"kim@example.com\"},{\"at\":{\"tel\":\"010-1234-5678\"}}]".to_vec()),
        ("a.txt", "연락 010-1234-5678\n".into()),
        ("snappy.parquet", SNAPPY.into()),
        ("gzip.parquet", GZIP.into()),
        ("zstd.parquet", ZSTD.into()),
        ("book.xlsx", BOOK.into()),
        ("a.hwpx", hwpx()),
        ("a.hwp", office::hwp::tests::document(&["연락 010-1234-5678"], 1)),
        ("a.pdf", office::pdf::tests::document()),
        ("a.wav", wav()),
        ("a.jpg", jpeg(true)),
    ]
}

#[test]
fn tables_of_lines_in_all_encodings() {
    for (path, encoding) in [("a.csv", "utf-8"), ("cp949.csv", "cp949"), ("utf16.csv", "UTF-16LE")] {
        let (_, bytes) = samples().into_iter().find(|(name, _)| *name == path).unwrap();
        let report = scan(path, &bytes);
        assert_eq!(report.reading, Reading::Read, "{path}");
        assert_eq!(report.properties.encoding, Some(encoding));
        assert_eq!(report.properties.columns, ["성명", "주민번호"]);
        assert_eq!(report.properties.rows, Some(3));
        let resident: u64 =
            report.findings.iter().filter(|f| f.kind == Kind::ResidentNumber).map(|f| f.found).sum();
        assert_eq!(resident, 2, "{path}");
        has(&report, Kind::PersonColumn, Sure::Certain, "성명", 2);
    }
}

#[test]
fn a_table_that_turns_out_to_be_cp949_late_is_read_from_the_start() {
    let mut bytes = b"id,memo\n".to_vec();
    for n in 0..20_000 {
        bytes.extend(format!("{n},plain text\n").bytes());
    }
    bytes.extend(euc_kr("20000,담당 010-1234-5678\n"));
    let report = scan("late.csv", &bytes);
    assert_eq!((report.properties.encoding, report.properties.rows), (Some("cp949"), Some(20_002)));
    has(&report, Kind::Phone, Sure::Certain, "memo", 1);
}

#[test]
fn parquet_values_are_read_packed_in_both_page_forms() {
    for (path, bytes) in [("snappy.parquet", SNAPPY), ("gzip.parquet", GZIP)] {
        let report = scan(path, bytes);
        assert_eq!(report.reading, Reading::Read, "{path}");
        assert_eq!(
            report.properties.columns,
            ["ts", "serial", "torque", "memo", "tel", "lat", "lon", "tags"]
        );
        assert_eq!(report.properties.rows, Some(40));
        assert_eq!(report.media, Some(Media::Numeric));
        has(&report, Kind::ResidentNumber, Sure::Certain, "memo", 30);
        has(&report, Kind::Phone, Sure::Certain, "tel", 40);
        has(&report, Kind::Email, Sure::Certain, "tags", 1);
        has(&report, Kind::Position, Sure::Certain, "lat", 39);
        let serial: Vec<_> =
            report.findings.iter().filter(|f| f.column.as_deref() == Some("serial")).collect();
        assert!(serial.iter().all(|f| f.sure == Sure::Unlikely), "{serial:?}");
        let memo = report.findings.iter().find(|f| f.column.as_deref() == Some("memo")).unwrap();
        assert_eq!((memo.places[0].row, memo.of), (Some(2), 30));
    }
    let report = scan("zstd.parquet", ZSTD);
    assert_eq!(
        report.reading,
        Reading::Sampled { reason: Reason::Packing },
        "what is packed otherwise is said"
    );
    assert_eq!(report.properties.columns, ["memo"]);
}

#[test]
fn spreadsheets_are_read_sheet_by_sheet() {
    let report = scan("book.xlsx", BOOK);
    assert_eq!(report.reading, Reading::Read, "{report:?}");
    assert_eq!(report.properties.columns, ["번호", "성명", "주민등록번호", "비고"]);
    has(&report, Kind::ResidentNumber, Sure::Certain, "주민등록번호", 12);
    has(&report, Kind::Email, Sure::Certain, "비고", 1);
    has(&report, Kind::PersonColumn, Sure::Possible, "author", 1);
    has(&report, Kind::Phone, Sure::Certain, "-", 1);
    let resident = report.findings.iter().find(|f| f.kind == Kind::ResidentNumber).unwrap();
    assert_eq!(resident.part.as_deref(), Some("명단"));
}

#[test]
fn documents_pictures_and_sound() {
    has(&scan("a.hwpx", &hwpx()), Kind::Email, Sure::Certain, "-", 1);
    let hwp = scan("a.hwp", &office::hwp::tests::document(&["연락 010-1234-5678"], 1));
    assert_eq!(
        (hwp.media_type, hwp.media, &hwp.reading),
        ("application/x-hwp", Some(Media::Text), &Reading::Read)
    );
    has(&hwp, Kind::Phone, Sure::Certain, "-", 1);
    has(&scan("a.pdf", &office::pdf::tests::document()), Kind::Phone, Sure::Certain, "-", 1);

    let sound = scan("a.wav", &wav());
    assert_eq!((sound.media, sound.properties.milliseconds), (Some(Media::Sound), Some(1000)));
    assert_eq!(sound.reading, Reading::Sampled { reason: Reason::ContentNotLookedAt });
    has(&sound, Kind::Email, Sure::Certain, "-", 1);

    let picture = scan("a.jpg", &jpeg(true));
    assert_eq!((picture.media, picture.properties.pixels), (Some(Media::Image), Some((3, 2))));
    assert_eq!(picture.reading, Reading::Sampled { reason: Reason::ContentNotLookedAt });
    has(&picture, Kind::Position, Sure::Certain, "EXIF GPS", 1);
    assert!(found(&scan("a.jpg", &jpeg(false))).is_empty(), "a position of zeros is none");
}

#[test]
fn a_sensor_table_has_nothing_of_persons() {
    let mut text = "ts,serial,lot,value,epoch\n".to_owned();
    for n in 0_u64..3000 {
        let serial = 2_401_011_000_000 + n * 13;
        text += &format!(
            "2024-01-01T00:{:02}:{:02}Z,{serial},LOT{:014},{}.{:06},{}\n",
            n / 60 % 60,
            n % 60,
            n * 77,
            n % 90,
            n * 31 % 1_000_000,
            1_704_067_200 + n
        );
    }
    let report = scan("sensor.csv", text.as_bytes());
    assert!(report.findings.iter().all(|f| f.sure == Sure::Unlikely), "{:#?}", report.findings);
    assert_eq!(report.media, Some(Media::Numeric));
}

#[test]
fn what_is_not_read_is_unknown() {
    for (path, bytes, reason) in [
        ("a.bin", &[0, 1, 2, 3, 0xff, 0xfe, 0, 9][..], Reason::Unsupported),
        ("a.zip", &zipped(&[("a.csv", b"a")]), Reason::Unsupported),
        ("a.csv.gz", b"\x1f\x8b\x08\0\0\0\0\0", Reason::Unsupported),
        ("a.xlsx", b"PK\x03\x04", Reason::Damaged),
        ("a.parquet", b"PAR1xxxxPAR1", Reason::Damaged),
        ("a.hwp", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Reason::Damaged),
    ] {
        let report = scan(path, bytes);
        assert_eq!((report.reading, report.media), (Reading::Unread { reason }, None), "{path}");
    }
    let mut report = Report::default();
    report.add(scan("a.bin", &[0, 1, 2, 3, 0xff]));
    report.add(scan("b.csv", b"a,b\n1,2\n"));
    report.sort();
    assert!(!report.whole());
    assert_eq!((report.read, report.unread, report.files[0].path.as_str()), (1, 1, "a.bin"));
}

#[test]
fn packed_files_do_not_unpack_without_end() {
    let zeros = vec![b' '; limits::STREAM_BYTES * 2];
    let sheet = [
        b"<worksheet><sheetData><row><c t=\"str\"><v>".as_slice(),
        &zeros,
        b"</v></c></row></sheetData></worksheet>",
    ]
    .concat();
    let report = scan("bomb.xlsx", &zipped(&[("xl/worksheets/sheet1.xml", &sheet)]));
    assert_eq!(report.reading, Reading::Sampled { reason: Reason::Unpacks });
    let report = scan("bomb.hwpx", &zipped(&[("Contents/section0.xml", &sheet)]));
    assert_eq!(report.reading, Reading::Unread { reason: Reason::Unpacks });
    let deep = format!("<a>{}", "<p>".repeat(1000));
    let report = scan("deep.docx", &zipped(&[("word/document.xml", deep.as_bytes())]));
    assert_eq!(report.reading, Reading::Unread { reason: Reason::TooDeep });
}

#[test]
fn a_very_large_table_is_read_in_part_and_says_so() {
    /// A table that goes on and on, made as it is read, with a number near its end.
    struct Endless(u64);
    const SIZE: u64 = limits::FILE_BYTES * 2;
    impl std::io::Read for Endless {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            const LINE: &[u8] = b"1,value\n";
            const LAST: &[u8] = b"010-1234-5678,x\n";
            let mut count = 0;
            for byte in buffer.iter_mut() {
                if self.0 >= SIZE {
                    break;
                }
                let from_end = usize::try_from(SIZE - self.0).unwrap();
                *byte = if from_end <= LAST.len() * 8 {
                    LAST[self.0 as usize % LAST.len()]
                } else {
                    LINE[self.0 as usize % LINE.len()]
                };
                self.0 += 1;
                count += 1;
            }
            Ok(count)
        }
    }
    impl std::io::Seek for Endless {
        fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
            if let SeekFrom::Start(at) = to {
                self.0 = at;
            }
            Ok(self.0)
        }
    }
    let report = file("long.csv", SIZE, &mut Endless(0), YEAR);
    assert_eq!(report.reading, Reading::Sampled { reason: Reason::TooLarge });
    let phone = report.findings.iter().find(|f| f.kind == Kind::Phone).unwrap();
    assert!(phone.places.iter().all(|place| place.row.is_none()), "rows beyond the beginning have no number");
}

#[test]
fn damage_never_does_more_than_leave_a_file_unread() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let rounds = std::env::var("NARU_SCAN_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(150);
    for (path, bytes) in samples() {
        // The panic of a reader is caught, but none is wanted: ours must have none.
        let quiet = |bytes: &[u8]| scan_uncaught(path, bytes);
        let step = (bytes.len() / 60).max(1);
        for cut in (0..bytes.len()).step_by(step) {
            quiet(&bytes[..cut]);
        }
        for _ in 0..rounds {
            let mut bytes = bytes.clone();
            for _ in 0..=random() % 4 {
                let at = random() as usize % bytes.len();
                bytes[at] ^= 1 << (random() % 8);
            }
            quiet(&bytes);
        }
        for _ in 0..40 {
            // A run of bytes from elsewhere in the file.
            let mut bytes = bytes.clone();
            let (from, to) = (random() as usize % bytes.len(), random() as usize % bytes.len());
            let length = (random() as usize % 64).min(bytes.len() - from.max(to));
            bytes.copy_within(from..from + length, to);
            quiet(&bytes);
        }
    }
}

fn scan_uncaught(path: &str, bytes: &[u8]) -> FileReport {
    super::scan(path, bytes.len() as u64, &mut Cursor::new(bytes), YEAR)
}

#[test]
fn no_report_carries_a_value() {
    let mut report = Report::default();
    for (path, bytes) in samples() {
        report.add(scan(path, &bytes));
    }
    report.add(scan("홍_900101-1234568.csv", b"010-1234-5678,kim@example.com\nx,y\n"));
    let text = serde_json::to_string(&report).unwrap();
    for value in ["1234568", "2345675", "kim", "1234-5678", "홍길동", "example.com"] {
        assert!(!text.contains(value), "{value} in {text}");
    }
    assert!(text.contains("******-*******"));
    assert!(report.has(Kind::ResidentNumber, Sure::Certain));
    assert_eq!(report.media, [Media::Image, Media::Numeric, Media::Text, Media::Sound]);
}

#[test]
fn the_shape_of_json() {
    let report = scan("a.txt", "x\n연락 010-1234-5678\n".as_bytes());
    assert_eq!(
        serde_json::to_value(&report).unwrap(),
        serde_json::json!({
            "path": "a.txt", "type": "text/plain", "media": "text", "bytes": 23, "reading": {"state": "read"},
            "properties": {"encoding": "utf-8", "rows": 2},
            "findings": [{
                "kind": "phone", "sure": "certain", "found": 1, "looked_at": 1, "of": 2,
                "places": [{"row": 2, "masked": "***-****-****"}],
            }],
        })
    );
}

#[test]
fn every_kind_and_reason_has_words_in_both_languages() {
    let mut texts: Vec<_> = Kind::ALL.into_iter().flat_map(|k| [words::kind(k), words::advice(k)]).collect();
    texts.extend([Sure::Certain, Sure::Possible, Sure::Unlikely].map(words::sure));
    for text in texts {
        assert!(!text.en.is_empty() && text.en.is_ascii());
        assert!(text.ko.chars().any(|c| ('가'..='힣').contains(&c)), "{}", text.ko);
    }
}
