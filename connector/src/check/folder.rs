//! Settings, permissions, keys against statements, the operator's facts, free space.

use naru_protocol::{error::Code, identity::fingerprint};

use super::{Item, Looked, said};
use crate::{
    config::{Config, Folder},
    node::{facts::PrivateFacts, free},
    store::readable_by_others,
};

/// Below this the node may fail with its next transfer.
const LITTLE: u64 = 1 << 30;
/// Below this it may fail with its next entry.
const TOO_LITTLE: u64 = 64 << 20;

/// Whether there is a node of this version in the folder.
pub(super) fn settings(folder: &Folder) -> (Option<Config>, Vec<Item>) {
    match folder.resolved() {
        Ok(resolved) => {
            let said =
                said!("{}, version {}", "{}, 버전 {}", folder.path().display(), resolved.config.version);
            let over = resolved.settings.iter().filter(|setting| {
                matches!(
                    setting.source,
                    crate::config::Source::Env { .. } | crate::config::Source::Flag { .. }
                )
            });
            let over: Vec<String> = over.map(|s| format!("{} ({})", s.key, s.source)).collect();
            let said = match over.as_slice() {
                [] => said,
                over => {
                    let over = over.join(", ");
                    said!(
                        "{}; set elsewhere: {over}",
                        "{}; 다른 곳에서 정함: {over}",
                        folder.path().display()
                    )
                }
            };
            (Some(resolved.config), vec![Item::ok("folder", said)])
        }
        Err(error @ crate::config::ConfigError::Missing { .. }) => {
            (None, vec![Item::failed("folder", Code::NotInitialised, error.to_string())])
        }
        Err(error) => (None, vec![Item::failed("folder", error.code(), error.to_string())]),
    }
}

/// Key files: private, those of the statements, and where the root is.
pub(super) fn keys(looked: &Looked<'_>) -> Vec<Item> {
    let folder = looked.folder;
    let mut secret: Vec<_> = std::fs::read_dir(folder.join("keys"))
        .map(|files| files.filter_map(|file| file.ok().map(|file| file.path())).collect())
        .unwrap_or_default();
    secret.sort();
    secret.extend(["erasable.keys", "control.json"].map(|name| folder.join(name)));
    secret.extend(looked.config.https.as_ref().map(|https| folder.path().join(&https.key)));
    let mut items = Vec::new();
    for path in secret.iter().filter(|path| path.exists()) {
        match readable_by_others(path) {
            Ok(None) => {}
            Ok(Some(mode)) => {
                let said = said!(
                    "{} can be used by others (mode {mode:04o})",
                    "{} 파일을 남도 쓸 수 있습니다 (모드 {mode:04o})",
                    path.display()
                );
                let (en, ko) = (
                    format!(
                        "chmod 600 '{}'; if others use this machine, take it for known to them.",
                        path.display()
                    ),
                    format!(
                        "chmod 600 '{}' 하세요. 이 컴퓨터를 남도 쓴다면 이미 알려진 것으로 보세요.",
                        path.display()
                    ),
                );
                items.push(Item::failed("permissions", Code::KeyFileOpen, said).hints(&en, &ko));
            }
            Err(error) => {
                let said = format!("{}: {error}", path.display());
                items.push(Item::failed("permissions", Code::KeyFileUnusable, said));
            }
        }
    }
    if items.is_empty() {
        items.push(Item::ok(
            "permissions",
            said!("key files are readable by their owner only", "키 파일은 소유자만 읽을 수 있습니다"),
        ));
    }
    let Some(me) = looked.me else { return items };
    let keys = &me.keys;
    items.push(Item::ok(
        "keys",
        said!(
            "those of the statements: {}, key set {}",
            "진술서의 키와 같습니다: {}, 키 집합 {}",
            fingerprint(&me.did),
            keys.number
        ),
    ));
    items.push(root(folder, &me.did));
    items
}

/// Where the root key is: it signs key sets and nothing else.
fn root(folder: &Folder, did: &naru_protocol::identity::Did) -> Item {
    let path = folder.key("root");
    if !path.exists() {
        return Item::ok(
            "root key",
            said!(
                "not in the folder: kept elsewhere, needed for `naru keys rotate` and `revoke` only",
                "폴더에 없습니다: 다른 곳에 보관 중이며 `naru keys rotate`와 `revoke`에만 필요합니다"
            ),
        );
    }
    match folder.seed("root") {
        Ok(seed) if naru_protocol::signature::SigningKey::from_seed(&seed.0).public() == *did.root_key() => {
            Item::ok(
                "root key",
                said!(
                    "{}: may be moved off this machine, the node does not need it",
                    "{}: 다른 컴퓨터로 옮겨도 됩니다. 노드는 쓰지 않습니다",
                    path.display()
                ),
            )
        }
        Ok(_) => {
            let said = said!(
                "{} is the root key of another participant",
                "{} 파일은 다른 참여자의 루트 키입니다",
                path.display()
            );
            Item::failed("root key", Code::KeyFileUnusable, said)
        }
        Err(error) => Item::failed("root key", Code::KeyFileUnusable, error.to_string()),
    }
}

/// Whether `facts.json` can be read: without it no deal is decided.
pub(super) fn facts(looked: &Looked<'_>) -> Item {
    match PrivateFacts::read(&looked.folder.facts()) {
        Ok(facts) => {
            let (approvals, stops) = (facts.approvals.len(), facts.stop_orders.len());
            Item::ok(
                "facts",
                said!(
                    "{approvals} approvals, {stops} stop orders",
                    "승인 {approvals}건, 중지 명령 {stops}건"
                ),
            )
        }
        Err(error) => Item::failed("facts", Code::PolicyInput, error).hints(
            "Mend facts.json in the node's folder; until then nothing is offered and no deal is decided.",
            "노드 폴더의 facts.json을 고치세요. 그때까지는 아무것도 제공되지 않고 거래도 결정되지 않습니다.",
        ),
    }
}

/// Free space under the folder.
pub(super) fn disk(looked: &Looked<'_>) -> Item {
    let Some(free) = free(looked.folder.path()) else {
        return Item::ok(
            "disk",
            said!(
                "how much space is left is not told on this system",
                "이 시스템에서는 남은 공간을 알 수 없습니다"
            ),
        );
    };
    let said = said!(
        "{0} MiB free under {1}",
        "{1} 아래에 {0} MiB 남음",
        free >> 20,
        looked.folder.path().display()
    );
    if free < TOO_LITTLE {
        Item::failed("disk", Code::DiskFull, said)
    } else if free < LITTLE {
        Item::warning("disk", Code::DiskFull, said)
    } else {
        Item::ok("disk", said)
    }
}
