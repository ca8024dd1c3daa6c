//! Names that differ only in case or in the normal form of their letters: `A.csv` and `a.csv`, 한글 written as syllables and as
//! single letters. Many systems take such names for one.
//!
//! Says which paths are alike; whether a file system takes them for one, only it can say ([`are_one`]).

use std::{collections::BTreeMap, fs, io, path::Path};

use unicode_normalization::UnicodeNormalization as _;

/// What names that are alike have in common.
fn folded(path: &str) -> String {
    // Large letters first: some small ones have no single large one.
    let folded: String = path.nfd().collect::<String>().to_uppercase().to_lowercase();
    folded.nfc().collect()
}

/// Pairs of paths that are alike, each path with the first one that it is like.
pub(super) fn alike<'a>(paths: impl Iterator<Item = &'a str>) -> Vec<(String, String)> {
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    let mut pairs = Vec::new();
    for path in paths {
        match seen.get(&folded(path)) {
            Some(first) => pairs.push(((*first).to_owned(), path.to_owned())),
            None => drop(seen.insert(folded(path), path)),
        }
    }
    pairs
}

/// Whether the file system of a folder, which must exist, takes two paths for one: the segments in which they differ are tried
/// there.
pub(super) fn are_one(folder: &Path, first: &str, second: &str) -> io::Result<bool> {
    for (number, (one, other)) in first.split('/').zip(second.split('/')).enumerate() {
        if one == other {
            continue;
        }
        let probe = folder.join(format!("names-{number}"));
        let tried = fs::create_dir_all(&probe).and_then(|()| {
            fs::write(probe.join(one), b"")?;
            Ok(probe.join(other).symlink_metadata().is_ok())
        });
        let _ = fs::remove_dir_all(&probe);
        if !tried? {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_form_are_seen_through() {
        let nfd: String = "한강/측정.csv".nfd().collect();
        assert_ne!(nfd, "한강/측정.csv");
        for (one, other) in [
            ("A.csv", "a.csv"),
            ("Data/x", "data/x"),
            ("한강/측정.csv", nfd.as_str()),
            ("\u{e9}.txt", "E\u{301}.txt"),
            ("stra\u{df}e", "STRASSE"),
        ] {
            assert_eq!(alike([one, other].into_iter()), [(one.to_owned(), other.to_owned())], "{one}");
        }
        assert_eq!(alike(["a", "b", "aa", "a b", "a/b"].into_iter()), []);
        assert_eq!(alike(["a", "A", "\u{ff41}"].into_iter()).len(), 1, "wide letters are others");
    }

    #[test]
    fn the_file_system_says_whether_they_are_one() {
        let temp = std::env::temp_dir().join(format!("naru-names-{}", std::process::id()));
        fs::create_dir_all(&temp).unwrap();
        // Whatever this one does, it does it for these too.
        fs::write(temp.join("probe"), b"").unwrap();
        let folds = temp.join("PROBE").exists();
        assert_eq!(are_one(&temp, "x/A.csv", "x/a.csv").unwrap(), folds);
        assert_eq!(fs::read_dir(&temp).unwrap().count(), 1, "nothing is left");
        assert!(are_one(&temp, "same", "same").unwrap());
        fs::remove_dir_all(&temp).unwrap();
    }
}
