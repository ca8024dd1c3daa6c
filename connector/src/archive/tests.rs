//! One spelling: the same files give the same bytes, and whatever is written otherwise is refused (AUD-1.12, AUD-1.13).

use std::{fs, path::PathBuf};

use super::{Archive, ArchiveError, Member, checksum, end, write_folder};

struct Temp(PathBuf);

impl Temp {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("naru-archive-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Opens these bytes.
    fn open(&self, bytes: &[u8]) -> Result<Archive, ArchiveError> {
        let path = self.0.join("given.zip");
        fs::write(&path, bytes).unwrap();
        Archive::open(&path)
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// An archive of these files, in this order and with these names whatever they are.
fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for (name, bytes) in files {
        let member = Member {
            name: (*name).to_owned(),
            crc: checksum(bytes),
            size: u32::try_from(bytes.len()).unwrap(),
            at: out.len() as u64,
        };
        out.extend_from_slice(&member.local());
        out.extend_from_slice(bytes);
        directory.extend_from_slice(&member.record());
    }
    let at = out.len() as u64;
    out.extend_from_slice(&directory);
    out.extend_from_slice(&end(files.len() as u64, directory.len() as u64, at));
    out
}

/// AUD-1.12
#[test]
fn the_same_files_give_the_same_bytes_whenever_they_were_written() {
    let temp = Temp::new("same");
    let folder = temp.0.join("folder");
    let mut archives = Vec::new();
    for order in [["b", "a/x", "a.b"], ["a.b", "b", "a/x"]] {
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder.join("a")).unwrap();
        for name in order {
            fs::write(folder.join(name), name).unwrap();
        }
        let out = temp.0.join(format!("{}.zip", archives.len()));
        write_folder(&folder, &out).unwrap();
        archives.push(fs::read(&out).unwrap());
        assert!(matches!(write_folder(&folder, &out), Err(ArchiveError::Io(_))), "nothing is written over");
    }
    assert_eq!(archives[0], archives[1]);
    assert_eq!(archives[0], zip(&[("a.b", b"a.b"), ("a/x", b"a/x"), ("b", b"b")]));
    let archive = temp.open(&archives[0]).unwrap();
    assert_eq!(archive.files().collect::<Vec<_>>(), [("a.b", 3), ("a/x", 3), ("b", 1)]);
    assert_eq!(archive.read("a/x", 3).unwrap().unwrap(), b"a/x");
    assert_eq!(archive.read("x", 3).unwrap(), None);
    assert!(matches!(archive.read("a/x", 2), Err(ArchiveError::Limit(_))));
    assert!(temp.open(&zip(&[])).unwrap().files().next().is_none());
}

/// AUD-1.13
#[test]
fn names_that_lead_elsewhere_or_stand_twice_are_refused() {
    let temp = Temp::new("names");
    for name in
        ["../x", "/x", "a/../x", "a//x", "a/", "./x", "C:x", "a\\x", "a\nx", "", "한", &"n".repeat(257)]
    {
        assert!(matches!(temp.open(&zip(&[(name, b"x")])), Err(ArchiveError::Form(_))), "{name:?}");
    }
    for files in [[("a", b"x"), ("a", b"y")], [("b", b"x"), ("a", b"y")]] {
        let files = files.map(|(name, bytes)| (name, bytes.as_slice()));
        assert!(matches!(temp.open(&zip(&files)), Err(ArchiveError::Form(_))), "{files:?}");
    }
}

/// AUD-1.13
#[test]
fn every_byte_counts() {
    let temp = Temp::new("bytes");
    let good = zip(&[("a", b"first"), ("b", b"second")]);
    let whole = |bytes: &[u8]| -> Result<Vec<Vec<u8>>, ArchiveError> {
        let archive = temp.open(bytes)?;
        let names: Vec<String> = archive.files().map(|(name, _)| name.to_owned()).collect();
        names.iter().map(|name| archive.read(name, 100).map(Option::unwrap_or_default)).collect()
    };
    assert_eq!(whole(&good).unwrap(), [b"first".to_vec(), b"second".to_vec()]);
    // The letter of a name, in both places that say it, is the only thing that could be another archive; one place is none.
    for at in 0..good.len() {
        for bit in [1, 0x80] {
            let mut bad = good.clone();
            bad[at] ^= bit;
            assert!(whole(&bad).is_err(), "byte {at}");
        }
    }
    for length in 0..good.len() {
        assert!(whole(&good[..length]).is_err(), "{length} bytes");
    }
    for more in [[b"x".as_slice(), &good].concat(), [good.as_slice(), b"x"].concat()] {
        assert!(whole(&more).is_err());
    }
}

/// AUD-1.13
#[test]
fn an_archive_holds_no_more_than_it_is_long() {
    let temp = Temp::new("bomb");
    // One content that many files share, and a size that nothing stands behind.
    let member = |name: &str, at, size| Member { name: name.into(), crc: checksum(b"x"), size, at };
    let body = [member("a", 0, 1).local(), b"x".to_vec()].concat();
    for second in [member("b", 0, 1), member("b", 32, u32::MAX)] {
        let directory = [member("a", 0, 1).record(), second.record()].concat();
        let tail = end(2, directory.len() as u64, body.len() as u64);
        assert!(temp.open(&[body.clone(), directory, tail].concat()).is_err());
    }
    // More files than are read, said in 64 bits.
    let many = end(super::FILES + 1, 0, 0);
    assert!(matches!(temp.open(&many), Err(ArchiveError::Limit(_))));
    // Compressed, with nothing else changed.
    let mut packed = zip(&[("a", b"x")]);
    packed[8] = 8;
    packed[32 + 10] = 8;
    let error = temp.open(&packed).unwrap_err();
    assert!(error.to_string().contains("compressed"), "{error}");
}

/// AUD-1.12
#[test]
fn more_files_than_sixteen_bits_count_are_read() {
    let temp = Temp::new("many");
    let names: Vec<String> = (0..70_000).map(|n| format!("{n:05}")).collect();
    let files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), b"".as_slice())).collect();
    let bytes = zip(&files);
    let archive = temp.open(&bytes).unwrap();
    assert_eq!(archive.files().count(), 70_000);
    assert_eq!(archive.read("69999", 1).unwrap().unwrap(), b"");
}

/// AUD-1.12
#[cfg(unix)]
#[test]
fn what_lies_beyond_four_gibibytes_has_its_place_in_64_bits() {
    use std::io::{Seek as _, SeekFrom, Write as _};
    let temp = Temp::new("far");
    let path = temp.0.join("far.zip");
    let mut file = fs::File::create(&path).unwrap();
    let mut put = |at: u64, bytes: &[u8]| {
        file.seek(SeekFrom::Start(at)).unwrap();
        file.write_all(bytes).unwrap();
    };
    // Two large files that are holes on the disk, and a small one behind them.
    let (mut at, mut directory) = (0, Vec::new());
    for (name, size) in [("a", 3 << 30), ("b", 3 << 30), ("c", 1)] {
        let member = Member { name: name.to_owned(), crc: checksum(b"x"), size, at };
        put(at, &member.local());
        directory.extend_from_slice(&member.record());
        at = member.end();
    }
    put(at - 1, b"x");
    put(at, &directory);
    put(at + directory.len() as u64, &end(3, directory.len() as u64, at));
    let archive = Archive::open(&path).unwrap();
    assert_eq!(archive.files().map(|(_, size)| size).collect::<Vec<_>>(), [3 << 30, 3 << 30, 1]);
    assert_eq!(archive.read("c", 1).unwrap().unwrap(), b"x");
    assert!(matches!(archive.read("a", 1 << 20), Err(ArchiveError::Limit(_))));
}
