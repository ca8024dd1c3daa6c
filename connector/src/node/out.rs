//! Where fetched files are to go: looked at before anything is proposed or signed for them.
//!
//! A folder is taken if it can be made or holds nothing, or what an earlier fetch of the same content left; if it lies outside
//! the node's own folder (but for what is on its way to standard output there), can be written, has room, and is no other exchange's. What happens to it afterwards is found when the
//! bytes arrive, in `bytes`.

use std::{
    fs, io,
    path::{Component, Path, PathBuf},
};

use naru_protocol::{
    encoding::{Digest, Id},
    error::Code,
    filelist::{CHUNK_BYTES, ChunkHash},
    listing::Listing,
};

use super::{
    Node, NodeError, Pages,
    contact::OPEN,
    turn::{Data, data_of},
};
use crate::{
    config::Folder,
    data::part,
    store::{ExchangeKind, ExchangeQuery, ExchangeRow, MAX_ROWS, OurRole},
};

/// What is to be fetched, where it is known already.
#[derive(Debug, Clone, Copy)]
pub(super) struct Content {
    pub(super) root: Digest,
    pub(super) bytes: u64,
    pub(super) files: u64,
}

impl Content {
    /// What the agreed dataset of a listing takes.
    pub(super) fn of(listing: &Listing) -> Self {
        Self { root: listing.content_root, bytes: listing.summary.bytes, files: listing.summary.files }
    }

    /// Bytes on the disk beside those of the files: what rounds each file up, the list of files, the chunk hashes, the mark.
    fn beside(&self) -> u64 {
        let chunks = self.bytes / CHUNK_BYTES + self.files;
        self.files
            .saturating_mul(BLOCK)
            .saturating_add(chunks.saturating_mul(ChunkHash::LEN as u64))
            .saturating_add(ROOM)
    }
}

/// What a file takes at least on most disks, bytes.
const BLOCK: u64 = 4 << 10;
/// For folders, the mark and the file list of a small dataset, bytes.
const ROOM: u64 = 128 << 10;

fn refused(code: Code, path: &Path, why: impl std::fmt::Display) -> NodeError {
    NodeError::refused(code, format!("{}: {why}", path.display()))
}

fn unusable(path: &Path, error: &io::Error) -> NodeError {
    let code = if part::is_disk_full(error) { Code::DiskFull } else { Code::FileUnusable };
    refused(code, path, error)
}

/// The folder that exists already, and the path as the system names it once all of it does.
fn place(out: &Path) -> Result<(PathBuf, PathBuf), NodeError> {
    if !out.is_absolute() {
        return Err(refused(Code::ArgumentInvalid, out, "not an absolute path"));
    }
    for there in out.ancestors() {
        match fs::metadata(there) {
            Ok(found) if found.is_dir() => {
                let rest = out.strip_prefix(there).unwrap_or(Path::new(""));
                if !rest.components().all(|c| matches!(c, Component::Normal(_))) {
                    return Err(refused(
                        Code::FolderOccupied,
                        out,
                        "`..` below a folder that does not exist",
                    ));
                }
                let there = there.canonicalize().map_err(|e| unusable(out, &e))?;
                let place = there.join(rest);
                return Ok((there, place));
            }
            Ok(_) if there == out => return Err(refused(Code::FileUnusable, out, "a file, not a folder")),
            Ok(_) => {
                return Err(refused(Code::FileUnusable, out, format!("{} is a file", there.display())));
            }
            Err(error) if fs::symlink_metadata(there).is_ok() => return Err(unusable(there, &error)),
            // Also below a file: the file itself is met next and named.
            Err(_) => {}
        }
    }
    Err(refused(Code::FileUnusable, out, "no part of this path exists"))
}

/// Looks at the folder; gives it as the system names it.
fn check(out: &Path, own: &Path, content: Option<Content>) -> Result<PathBuf, NodeError> {
    let (there, place) = place(out)?;
    not_own(out, &place, own)?;
    let root = content.map(|c| c.root);
    let taken = part::in_the_way(&place, root.as_ref()).map_err(|e| unusable(out, &e))?;
    if let Some(name) = taken {
        let why = format!("holds {name} already; name a folder that is new or empty");
        return Err(refused(Code::FolderOccupied, out, why));
    }
    writable(&there).map_err(|e| unusable(out, &e))?;
    if let (Some(content), Some(free)) = (content, free(&there)) {
        let missing = content.bytes.saturating_sub(part::held(&place, &content.root));
        let needed = missing.saturating_add(content.beside());
        if missing > 0 && needed > free {
            let why = format!(
                "{missing} bytes are still to come, {needed} with what is kept meanwhile, and {free} are free"
            );
            return Err(refused(Code::DiskFull, out, why));
        }
    }
    Ok(place)
}

fn not_own(out: &Path, place: &Path, own: &Path) -> Result<(), NodeError> {
    let received = |own: &Path| place.starts_with(Folder::new(own).received());
    if own.canonicalize().is_ok_and(|own| place.starts_with(&own) && !received(&own)) {
        return Err(refused(Code::FolderOccupied, out, "lies in the node's own folder"));
    }
    Ok(())
}

/// Refuses a folder, there or not yet, that lies in the node's own.
pub(super) fn outside(out: &Path, own: &Path) -> Result<(), NodeError> {
    not_own(out, &place(out)?.1, own)
}

/// Whether files can be made there: one is, and removed again.
fn writable(folder: &Path) -> io::Result<()> {
    let name = crate::config::random::<8>()?.map(|b| format!("{b:02x}")).concat();
    let probe = folder.join(format!(".naru-probe-{name}"));
    fs::File::create_new(&probe)?;
    fs::remove_file(probe)
}

/// Bytes that may still be written there, where the system tells.
#[cfg(unix)]
pub(crate) fn free(folder: &Path) -> Option<u64> {
    let space = rustix::fs::statvfs(folder).ok()?;
    space.f_bavail.checked_mul(space.f_frsize)
}

#[cfg(not(unix))]
pub(crate) fn free(_: &Path) -> Option<u64> {
    None
}

impl Node {
    /// Refuses a folder that the files cannot go to, or that another exchange than `except` or another standing order than the
    /// one for the peer `instead_of` will use. The caller holds `outs` until its own use of the folder is durable.
    pub(super) async fn check_out(
        &self,
        out: &Path,
        content: Option<Content>,
        except: &[Id],
        instead_of: Option<&str>,
    ) -> Result<(), NodeError> {
        let (asked, own) = (out.to_owned(), self.folder.path().to_owned());
        let checked = tokio::task::spawn_blocking(move || check(&asked, &own, content)).await;
        let wanted = checked.map_err(|e| NodeError::refused(Code::Internal, e.to_string()))??;
        let meets = |other: &Path| {
            let other = place(other).map_or_else(|_| other.to_owned(), |(_, place)| place);
            other.starts_with(&wanted) || wanted.starts_with(&other)
        };
        for (id, other) in self.outs().await? {
            if !except.contains(&id) && meets(&other) {
                let why = format!("exchange {id} writes to {}; name another folder", other.display());
                return Err(refused(Code::FolderOccupied, out, why));
            }
        }
        for row in self.store.peers(None, MAX_ROWS).await? {
            if instead_of == Some(row.did.as_str()) {
                continue;
            }
            let order = self.standing(&row.did).await?;
            if let Some(order) = order.filter(|order| meets(&order.out)) {
                let why = format!("{} is kept for the next offer of {}", order.out.display(), row.alias);
                return Err(refused(Code::FolderOccupied, out, why));
            }
        }
        Ok(())
    }

    /// Where exchanges that are under way write: all that run, and of the concluded the newest page, as after a restart.
    pub(super) async fn outs(&self) -> Result<Vec<(Id, PathBuf)>, NodeError> {
        let mut outs = Vec::new();
        let states = ["NONE"].into_iter().chain(OPEN).map(str::to_owned).collect();
        let query = ExchangeQuery { states, limit: MAX_ROWS, ..ExchangeQuery::default() };
        let mut pages = Pages::of(query);
        while let Some(rows) = pages.next(self).await? {
            for row in rows {
                outs.extend(out_of(&row)?.map(|out| (row.id, out)));
            }
        }
        let query = ExchangeQuery {
            kind: Some(ExchangeKind::Negotiation),
            states: vec!["FINALIZED".to_owned()],
            limit: MAX_ROWS,
            ..ExchangeQuery::default()
        };
        for row in self.store.exchanges(query).await? {
            outs.extend(out_of(&row)?.map(|out| (row.id, out)));
        }
        Ok(outs)
    }
}

/// Where an exchange of ours as consumer will write.
fn out_of(row: &ExchangeRow) -> Result<Option<PathBuf>, NodeError> {
    if row.role != OurRole::Consumer {
        return Ok(None);
    }
    if super::plain::is_plain(&row.peer) {
        return super::plain::out_of(row);
    }
    Ok(match data_of(row)? {
        Data::Deal(deal) if deal.transfer.is_none() => deal.out,
        Data::Deal(_) => None,
        Data::Haul(haul) => haul.out,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Temp(PathBuf);

    impl Temp {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("naru-out-{}-{name}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            fs::create_dir_all(path.join("node")).unwrap();
            Self(path.canonicalize().unwrap())
        }

        fn ask(&self, out: &str, bytes: u64) -> Result<PathBuf, Code> {
            let content = Content { root: Digest::of(b"content"), bytes, files: 1 };
            check(&self.0.join(out), &self.0.join("node"), Some(content)).map_err(|e| {
                let said = e.to_string();
                assert!(said.contains(out.trim_end_matches("/..")), "names the folder: {said}");
                e.code()
            })
        }
    }

    impl Drop for Temp {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_folder_that_cannot_take_the_files_is_refused_by_name() {
        let temp = Temp::new("refused");
        fs::write(temp.0.join("file"), "x").unwrap();
        fs::create_dir(temp.0.join("full")).unwrap();
        fs::write(temp.0.join("full/a.txt"), "x").unwrap();
        fs::create_dir_all(temp.0.join("other/.naru-part").join(Digest::of(b"another").to_string())).unwrap();
        for (out, bytes, code) in [
            ("file", 1, Code::FileUnusable),
            ("file/below", 1, Code::FileUnusable),
            ("full", 1, Code::FolderOccupied),
            ("other", 1, Code::FolderOccupied),
            ("node", 1, Code::FolderOccupied),
            ("node/got", 1, Code::FolderOccupied),
            ("new/../node/keys", 1, Code::FolderOccupied),
            ("large", u64::MAX, Code::DiskFull),
        ] {
            assert_eq!(temp.ask(out, bytes), Err(code), "{out}");
        }
        assert!(check(Path::new("got"), &temp.0, None).is_err(), "whose current folder?");
        assert!(!temp.0.join("large").exists(), "nothing is made for a question");
    }

    #[test]
    fn new_and_empty_folders_and_what_can_be_resumed_are_taken() {
        let temp = Temp::new("taken");
        fs::create_dir(temp.0.join("empty")).unwrap();
        let part = temp.0.join("begun/.naru-part").join(Digest::of(b"content").to_string());
        fs::create_dir_all(part.join("files")).unwrap();
        fs::write(part.join("files/0"), [0; 10]).unwrap();
        for out in ["new", "new/below", "empty", "begun"] {
            assert_eq!(temp.ask(out, 10), Ok(temp.0.join(out)), "{out}");
        }
        let left: Vec<_> = fs::read_dir(temp.0.join("empty")).unwrap().collect();
        assert!(left.is_empty(), "no probe is left");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_into_the_nodes_folder_is_seen_through() {
        let temp = Temp::new("link");
        std::os::unix::fs::symlink(temp.0.join("node"), temp.0.join("away")).unwrap();
        assert_eq!(temp.ask("away/got", 1), Err(Code::FolderOccupied));
        std::os::unix::fs::symlink(temp.0.join("nothing"), temp.0.join("broken")).unwrap();
        assert_eq!(temp.ask("broken", 1), Err(Code::FileUnusable));
    }
}
