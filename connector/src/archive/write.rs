//! Writing: a folder into one file, names in ascending order.

use std::{
    fs::{self, File},
    io::{BufWriter, Write as _},
    path::Path,
};

use super::{ArchiveError, FILES, Member, checksum, end, is_plain};

/// Folders in one another, at most.
const DEPTH: usize = 16;

/// Writes all files below `folder` into `out`, which must not exist, and has them on disk before it returns.
pub fn write_folder(folder: &Path, out: &Path) -> Result<(), ArchiveError> {
    let mut names = Vec::new();
    gather(folder, "", &mut names, 0)?;
    names.sort_unstable();
    let mut file = BufWriter::new(File::create_new(out)?);
    let (mut at, mut directory, mut count) = (0, Vec::new(), 0_u64);
    for name in names {
        let bytes = fs::read(folder.join(&name))?;
        let size = u32::try_from(bytes.len());
        let size = size.map_err(|_| ArchiveError::Limit(format!("{name} is larger than 4 GiB")))?;
        let member = Member { name, crc: checksum(&bytes), size, at };
        file.write_all(&member.local())?;
        file.write_all(&bytes)?;
        directory.extend_from_slice(&member.record());
        at = member.end();
        count += 1;
    }
    file.write_all(&directory)?;
    file.write_all(&end(count, directory.len() as u64, at))?;
    file.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()?;
    Ok(())
}

fn gather(folder: &Path, prefix: &str, names: &mut Vec<String>, depth: usize) -> Result<(), ArchiveError> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        let kind = entry.file_type()?;
        if !is_plain(&name) || !(kind.is_dir() || kind.is_file()) || depth > DEPTH {
            return Err(ArchiveError::Form(format!("{name:?} is no file that an archive holds")));
        }
        if kind.is_dir() {
            gather(&entry.path(), &format!("{name}/"), names, depth + 1)?;
        } else {
            names.push(name);
        }
        if names.len() as u64 > FILES {
            return Err(ArchiveError::Limit(format!("more than {FILES} files")));
        }
    }
    Ok(())
}
