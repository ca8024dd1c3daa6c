//! Database, log, high-water file and clock.

use naru_protocol::{
    error::Code,
    log::checkpoint::{Origin, SignedCheckpoint},
};

use super::{Item, Looked};
use crate::store::{Inspector, Logged, SqliteOptions, StoreError};

/// Looks at all of it.
pub(super) async fn check(looked: &Looked<'_>) -> Vec<Item> {
    let options = SqliteOptions::in_folder(looked.folder.path());
    if !options.database.exists() {
        let said = "there is no database yet: `naru run` makes it";
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
    let later = if found < ours { "; brought up to date at the next start" } else { "" };
    Item::ok("store", format!("opens, its pages and indices agree, tables of version {found}{later}"))
}

/// The checkpoint is signed by us, and the file beside the database agrees.
fn log(looked: &Looked<'_>, logged: &Logged) -> Vec<Item> {
    let Some(head) = &logged.head else { return vec![Item::ok("log", "empty: begins with the first start")] };
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
        let said = format!("the checkpoint of {} entries is not signed by a log key of this node", head.size);
        return vec![Item::failed("log", Code::CheckpointInvalid, said)];
    }
    let said = format!("{} entries, hashed again up to the signed root {}", head.size, head.root);
    let mark = match logged.high_water {
        Some(size) => Item::ok("high water", format!("agrees at {size} entries")),
        None => {
            let said = "there is no high-water.json: a database that was put back would not be noticed here";
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
        None => Item::ok("clock", "plausible, and not behind what was signed"),
    }
}
