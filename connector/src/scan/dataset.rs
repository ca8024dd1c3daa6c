//! Scans the files of a dataset one after the other.

use std::{
    fs::File,
    path::Path,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

use super::{Report, file, report::unopened};

/// Scans the files with these paths and sizes below a folder, until `stop` turns true; then `None`. `done` hears how many
/// files and bytes are scanned. A file that cannot be opened is unread.
pub fn dataset(
    folder: &Path,
    files: &[(String, u64)],
    year: u16,
    stop: &AtomicBool,
    done: &mut dyn FnMut(u64, u64),
) -> Option<Report> {
    let mut report = Report::default();
    let mut bytes = 0_u64;
    for (number, (path, size)) in files.iter().enumerate() {
        if stop.load(Relaxed) {
            return None;
        }
        // What the file is now counts, not what it was when it was listed.
        let opened = File::open(folder.join(path)).and_then(|opened| Ok((opened.metadata()?.len(), opened)));
        report.add(match opened {
            Ok((now, mut opened)) => file(path, now, &mut opened, year),
            Err(_) => unopened(path, *size, year),
        });
        bytes = bytes.saturating_add(*size);
        done(number as u64 + 1, bytes);
    }
    report.sort();
    Some(report)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::{Kind, Reading, Reason, Sure};

    #[test]
    fn a_folder_is_scanned_and_what_is_missing_is_unread() {
        let folder = std::env::temp_dir().join(format!("naru-scan-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("sub")).unwrap();
        std::fs::write(folder.join("sub/a.csv"), "id,tel\n1,010-1234-5678\n").unwrap();
        std::fs::write(folder.join("b.csv"), "id,v\n1,2\n").unwrap();
        let files: Vec<_> = ["b.csv", "gone.csv", "sub/a.csv"].map(|path| (path.to_owned(), 20)).into();
        let mut heard = Vec::new();
        let scanned =
            dataset(&folder, &files, 2026, &AtomicBool::new(false), &mut |n, bytes| heard.push((n, bytes)));
        let stopped = dataset(&folder, &files, 2026, &AtomicBool::new(true), &mut |_, _| {});
        std::fs::remove_dir_all(&folder).unwrap();
        let report = scanned.unwrap();
        assert_eq!(heard, [(1, 20), (2, 40), (3, 60)]);
        assert!(stopped.is_none());
        assert!(report.has(Kind::Phone, Sure::Certain) && !report.whole());
        let readings: Vec<_> = report.files.iter().map(|file| (file.path.as_str(), &file.reading)).collect();
        assert_eq!(readings[0].0, "sub/a.csv");
        assert_eq!(readings[1], ("gone.csv", &Reading::Unread { reason: Reason::Io }));
    }
}
