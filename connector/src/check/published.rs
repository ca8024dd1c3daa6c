//! Whether what is offered could still be served: files that are published where they lie may have been changed or taken away since.
//!
//! Looks at sizes and times, and reads no content: what was changed without either shows when it is asked for.

use super::{Item, Looked, said};
use crate::{
    control,
    data::source::{self, Stale},
};
use naru_protocol::error::Code;

/// Files that are looked at in one check.
const MOST: usize = 100_000;

/// One line if all is in order, else one for each dataset that is not.
pub(super) async fn check(looked: &Looked<'_>) -> Vec<Item> {
    let Ok((datasets, _)) = control::look(looked.folder.path(), "datasets", None).await else {
        // Why the node or its database does not answer was said.
        return Vec::new();
    };
    let offered: Vec<(String, String, std::path::PathBuf)> = datasets
        .as_array()
        .into_iter()
        .flatten()
        .filter(|dataset| dataset["withdrawn"] == false && dataset["copied"] == false)
        .filter_map(|dataset| {
            let (id, version) = (dataset["dataset"].as_str()?, dataset["version"].as_u64()?);
            let path = dataset["path"].as_str().unwrap_or_default().to_owned();
            Some((id.to_owned(), path, looked.folder.published(id, version)))
        })
        .collect();
    let found = tokio::task::spawn_blocking(move || {
        let (mut items, mut left) = (Vec::new(), MOST);
        for (id, path, index) in &offered {
            items.extend(look(id, path, index, &mut left));
        }
        if items.is_empty() {
            items.push(Item::ok(
                "datasets",
                said!("{}: their files are as they were", "{}개: 파일이 그대로입니다", offered.len()),
            ));
        }
        items
    });
    found.await.unwrap_or_default()
}

fn look(id: &str, path: &str, index: &std::path::Path, left: &mut usize) -> Option<Item> {
    let said = match source::stale(index, left) {
        Ok(None) => return None,
        Ok(Some(Stale::Gone(file))) => {
            said!("{} ({}): {} is gone", "{} ({}): {} 파일이 없습니다", id, path, file)
        }
        Ok(Some(Stale::Changed(file))) => {
            said!("{} ({}): {} was changed since", "{} ({}): {} 파일이 그 뒤에 바뀌었습니다", id, path, file)
        }
        Err(error) => return Some(Item::failed("datasets", error.code(), error.to_string())),
    };
    let item = Item::warning("datasets", Code::SourceChanged, said);
    Some(item.hints(
        "Nobody can fetch it as it is: publish the next version (`naru publish --version-of`), put the old files back, or `naru unpublish` it.",
        "이대로는 아무도 받을 수 없습니다. 다음 판을 공개하거나(`naru publish --version-of`), 원래 파일을 되돌리거나, `naru unpublish` 로 내리십시오.",
    ))
}
