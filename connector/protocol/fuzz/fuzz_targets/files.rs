//! File lists, whose names become paths on a disk: only the canonical text is read, and no name leads out of a folder.
#![no_main]

use libfuzzer_sys::fuzz_target;
use naru_protocol::filelist::FileList;
use naru_protocol_fuzz as _;

fuzz_target!(|data: &[u8]| {
    let Ok(list) = FileList::parse(data) else { return };
    for entry in list.entries() {
        let path = std::path::Path::new(entry.path.as_str());
        let inside = path.components().all(|part| matches!(part, std::path::Component::Normal(_)));
        assert!(inside && !path.is_absolute(), "{path:?}");
    }
});
