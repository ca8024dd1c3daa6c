//! `naru get --output -`: the one file of a dataset on standard output.
//!
//! The node receives it into a folder of its own, as any other, so that it can be broken off and goes on; it is poured out when
//! all of it is verified, and removed when all of it was taken. No byte comes out that was not verified.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use naru_protocol::{encoding::Digest, error::Code};

use super::absolute;
use crate::{config::Folder, control::Failure};

/// Where the node receives it: the same place for the same wish.
pub(super) fn place(dir: &Path, wish: &[&str], countries: &[String]) -> Result<PathBuf, Failure> {
    let mut countries: Vec<&str> = countries.iter().map(String::as_str).collect();
    countries.sort_unstable();
    let text = [wish, countries.as_slice()].concat().join("\n");
    let name: String = Digest::of(text.as_bytes()).0.iter().take(12).map(|b| format!("{b:02x}")).collect();
    let dir = absolute(dir)?;
    Ok(Folder::new(dir).received().join(name))
}

/// Writes the one file that was received, and removes it.
pub(super) fn pour(out: &Path, to: &mut impl Write) -> Result<(), Failure> {
    let unusable = |path: &Path, error: &io::Error| {
        Failure::new(Code::FileUnusable, format!("{}: {error}", path.display()))
    };
    let files = files(out).map_err(|e| unusable(out, &e))?;
    let [file] = files.as_slice() else {
        let why = format!("{} files have arrived and lie in {}", files.len(), out.display());
        return Err(Failure::new(Code::ArgumentInvalid, why));
    };
    let mut from = File::open(file).map_err(|e| unusable(file, &e))?;
    let poured = io::copy(&mut from, to).and_then(|_| to.flush());
    poured.map_err(|e| Failure::new(Code::FileUnusable, format!("standard output: {e}")))?;
    drop(from);
    // It has been taken; what is left of it is no failure.
    let _ = fs::remove_dir_all(out);
    Ok(())
}

/// All files below a folder.
fn files(out: &Path) -> io::Result<Vec<PathBuf>> {
    let (mut files, mut left) = (Vec::new(), vec![out.to_owned()]);
    while let Some(folder) = left.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if !path.symlink_metadata()?.is_dir() {
                files.push(path);
            } else if path.file_name().is_none_or(|name| name != crate::data::part::PART_FOLDER) {
                left.push(path);
            }
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_file_is_poured_out_and_gone_and_two_stay() {
        let temp = std::env::temp_dir().join(format!("naru-pour-{}", std::process::id()));
        let out = temp.join("received");
        fs::create_dir_all(out.join("below")).unwrap();
        fs::create_dir_all(out.join(".naru-part/left")).unwrap();
        fs::write(out.join(".naru-part/left/chunks"), "x").unwrap();
        let mut said = Vec::new();
        assert_eq!(pour(&out, &mut said).unwrap_err().code, "argument_invalid");
        fs::write(out.join("below/a"), "content").unwrap();
        fs::write(out.join("b"), "more").unwrap();
        assert!(pour(&out, &mut said).unwrap_err().message.contains("2 files"));
        assert!(said.is_empty() && out.join("b").exists());
        fs::remove_file(out.join("b")).unwrap();
        pour(&out, &mut said).unwrap();
        assert_eq!((said.as_slice(), out.exists()), (b"content".as_slice(), false));
        fs::remove_dir_all(&temp).unwrap();
    }

    #[test]
    fn the_same_wish_has_the_same_place() {
        let of = |purpose, countries: &[&str]| {
            let countries: Vec<String> = countries.iter().map(|c| (*c).to_owned()).collect();
            place(Path::new("/n"), &["hangang", "urn:dxp:1", purpose], &countries).unwrap()
        };
        assert_eq!(of("research", &["SG", "KR"]), of("research", &["KR", "SG"]));
        assert_ne!(of("research", &[]), of("marketing", &[]));
        assert_ne!(of("research", &["SG"]), of("research", &["KR"]));
    }
}
