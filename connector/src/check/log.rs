//! Database, log, high-water file and clock.

use naru_protocol::{
    error::Code,
    log::checkpoint::{Origin, SignedCheckpoint},
};

use super::{Item, Looked, said};
use crate::store::{Inspector, Logged, SqliteOptions, StoreError};

/// Looks at all of it.
pub(super) async fn check(looked: &Looked<'_>) -> Vec<Item> {
    let options = SqliteOptions::in_folder(looked.folder.path());
    if !options.database.exists() {
        let said = said!(
            "there is no database yet: `naru run` makes it",
            "아직 데이터베이스가 없습니다: `naru run`이 만듭니다"
        );
        return vec![Item::ok("store", said), clock(looked, None)];
    }
    let mut inspector = match Inspector::open(&options.database).await {
        Ok(inspector) => inspector,
        Err(error) => return vec![of("store", &error), clock(looked, None)],
    };
    let mut items = vec![store(&mut inspector).await];
    let mut last_at = None;
    if let Some(me) = looked.me {
        match inspector.log(&me.origin, &options.high_water).await {
            Ok(logged) => {
                last_at = logged.last_at;
                items.extend(log(looked, &logged));
            }
            Err(error) => items.push(of("log", &error)),
        }
    }
    if let Err(error) = inspector.close().await {
        items.push(of("store", &error));
    }
    items.push(clock(looked, last_at));
    items
}

fn of(name: &'static str, error: &StoreError) -> Item {
    Item::failed(name, error.code(), error.to_string())
}

async fn store(inspector: &mut Inspector) -> Item {
    let (found, ours) = match inspector.schema().await {
        Ok(versions) => versions,
        Err(error) => return of("store", &error),
    };
    if let Err(error) = inspector.integrity().await {
        return of("store", &error);
    }
    let said = if found < ours {
        said!(
            "opens, its pages and indices agree, tables of version {found}; brought up to date at the next start",
            "열리며 페이지와 색인이 맞습니다. 테이블 버전 {found}; 다음 시작 때 갱신됩니다"
        )
    } else {
        said!(
            "opens, its pages and indices agree, tables of version {found}",
            "열리며 페이지와 색인이 맞습니다. 테이블 버전 {found}"
        )
    };
    Item::ok("store", said)
}

/// The checkpoint is signed by us, and the file beside the database agrees.
fn log(looked: &Looked<'_>, logged: &Logged) -> Vec<Item> {
    let Some(head) = &logged.head else {
        return vec![Item::ok(
            "log",
            said!("empty: begins with the first start", "비어 있음: 첫 시작 때 시작됩니다"),
        )];
    };
    let signed = looked.me.is_some_and(|me| {
        Origin::parse(&me.origin).is_ok_and(|origin| {
            me.ring.log_keys().into_iter().any(|key| {
                origin.key(key).is_ok_and(|key| {
                    SignedCheckpoint::open_own(head.note.as_bytes(), &key)
                        .is_ok_and(|opened| opened.size() == head.size && *opened.root() == head.root)
                })
            })
        })
    });
    if !signed {
        let said = said!(
            "the checkpoint of {} entries is not signed by a log key of this node",
            "{}개 항목의 체크포인트가 이 노드의 로그 키로 서명되지 않았습니다",
            head.size
        );
        return vec![Item::failed("log", Code::CheckpointInvalid, said)];
    }
    let said = said!(
        "{} entries, hashed again up to the signed root {}",
        "{}개 항목을 서명된 루트 {}까지 다시 해시했습니다",
        head.size,
        head.root
    );
    let mark = match logged.high_water {
        Some(size) => {
            Item::ok("high water", said!("agrees at {size} entries", "{size}개 항목에서 일치합니다"))
        }
        None => {
            let said = said!(
                "there is no high-water.json: a database that was put back would not be noticed here",
                "high-water.json이 없습니다: 되돌려진 데이터베이스를 여기서 알아챌 수 없습니다"
            );
            Item::warning("high water", Code::StoreUnavailable, said)
                .hints("The node writes it anew at its next entry.", "다음 기록 때 노드가 다시 씁니다.")
        }
    };
    vec![Item::ok("log", said), mark]
}

/// The clock must be plausible, and not behind what was signed.
fn clock(looked: &Looked<'_>, last_at: Option<u64>) -> Item {
    let keys = looked.me.map_or(0, |me| me.keys.valid_from);
    match crate::node::clock::wrong(looked.now, last_at, keys) {
        Some(why) => Item::failed("clock", Code::ClockWrong, why),
        None => Item::ok(
            "clock",
            said!("plausible, and not behind what was signed", "그럴듯하며, 서명된 것보다 늦지 않습니다"),
        ),
    }
}
