//! Compiled rule packs, kept from one process to the next in this user's folder for caches: compiling takes a second or
//! two, taking up what was compiled some milliseconds.
//!
//! What lies there is machine code, and whoever can write it says what this program computes, as whoever can replace the
//! program can. So it is written for this user alone, and taken up only if nobody else may have written it. It is never
//! needed: where it cannot be read or written, packs are compiled as ever, and nothing is said. `NARU_CACHE` names another
//! folder; empty, nothing is kept. Not here: what the file holds (`naru_policy::compiled`).

use std::{
    ffi::OsString,
    fs,
    io::Read as _,
    path::{Path, PathBuf},
};

use naru_policy::{compiled, limits::COMPILED_FILE_BYTES};

use crate::store::{own_alone, private_folder, replace};

const FILE: &str = "compiled-packs";

/// Runs what loads packs, with what was compiled before at hand, and keeps what it compiles. Blocking.
pub(crate) fn kept<T>(load: impl FnOnce() -> T) -> T {
    let path = folder(|name| std::env::var_os(name)).map(|folder| folder.join(FILE));
    if let Some(bytes) = path.as_deref().and_then(read) {
        let functions = compiled::import(&bytes);
        tracing::debug!(functions, "compiled packs taken up");
    }
    let loaded = load();
    if let (Some(path), Some(bytes)) = (path, compiled::export())
        && let Err(error) = write(&path, &bytes)
    {
        tracing::debug!(%error, path = %path.display(), "compiled packs not kept");
    }
    loaded
}

/// The folder for this program's caches, as the environment names it.
fn folder(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    if let Some(own) = variable("NARU_CACHE") {
        return (!own.is_empty()).then(|| own.into());
    }
    let set = |name| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let caches = if cfg!(windows) {
        set("LOCALAPPDATA")
    } else {
        set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")))
    };
    Some(caches.filter(|path| path.is_absolute())?.join("naru"))
}

fn read(path: &Path) -> Option<Vec<u8>> {
    let file = fs::File::open(path).ok()?;
    if !own_alone(&file).ok()? {
        tracing::warn!(path = %path.display(), "others may write these compiled packs: not used");
        return None;
    }
    let mut bytes = Vec::new();
    file.take(COMPILED_FILE_BYTES as u64 + 1).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if let Some(folder) = path.parent()
        && !folder.is_dir()
    {
        if let Some(caches) = folder.parent() {
            fs::create_dir_all(caches)?;
        }
        private_folder(folder)?;
    }
    replace(path, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Temp(PathBuf);

    impl Temp {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("naru-compiled-{}-{name}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Temp {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn it_lies_where_the_environment_says() {
        let of = |set: &[(&str, &str)]| {
            folder(|name| set.iter().find(|(own, _)| *own == name).map(|(_, value)| value.into()))
        };
        assert_eq!(of(&[("NARU_CACHE", "/c"), ("HOME", "/h")]), Some("/c".into()));
        assert_eq!(of(&[("NARU_CACHE", ""), ("HOME", "/h")]), None, "empty: nothing is kept");
        assert_eq!(of(&[]), None);
        #[cfg(not(windows))]
        {
            assert_eq!(of(&[("HOME", "/h"), ("XDG_CACHE_HOME", "/x")]), Some("/x/naru".into()));
            assert_eq!(of(&[("HOME", "/h"), ("XDG_CACHE_HOME", "")]), Some("/h/.cache/naru".into()));
            assert_eq!(of(&[("HOME", "relative")]), None);
        }
    }

    #[cfg(unix)]
    #[test]
    fn what_others_may_write_is_not_taken_up() {
        use std::os::unix::fs::PermissionsExt as _;
        let temp = Temp::new("others");
        let path = temp.0.join(FILE);
        write(&path, b"x").unwrap();
        assert_eq!(read(&path), Some(b"x".to_vec()));
        for mode in [0o620, 0o602] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(read(&path), None, "{mode:o}");
        }
    }
}
