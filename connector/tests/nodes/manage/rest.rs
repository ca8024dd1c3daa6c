//! Reading a node that does not run: the same words as of one that does, less what only a running one knows; nothing is
//! locked, written or brought up to date.

use std::{collections::BTreeMap, fs, path::Path};

use naru::{config::Folder, control, node::AtRest, store::FolderLock};
use naru_protocol::error::Code;
use serde_json::{Value, json};

use super::Office;
use crate::common::{Dials, Firm, Pair, Temp, harmless};

/// Every file of a folder with its content, but for what SQLite keeps beside its database while somebody reads.
fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_file() && !name.ends_with("-shm") && !name.ends_with("-wal") {
            all.insert(name, fs::read(path).unwrap());
        }
    }
    all
}

async fn look(dir: &Path, verb: &str, request: Option<&Value>) -> (Value, bool) {
    control::look(dir, verb, request).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_read_at_rest_is_what_the_running_node_says_less_what_only_it_knows() {
    let pair = Pair::new(Dials::Buyer, harmless()).await;
    let office = Office::of(&pair.seller).await;
    let asked = pair.buyer.request(&pair.seller.did, &pair.dataset, None).await.unwrap();
    pair.settled(&asked.id).await;
    let dir = pair.seller.dir.clone();
    let one = json!({"id": asked.id});
    let verbs: [(&str, Option<&Value>); 5] = [
        ("status", None),
        ("peers", None),
        ("datasets", None),
        ("exchanges", None),
        ("exchange", Some(&one)),
    ];
    let mut live = Vec::new();
    for (verb, request) in verbs {
        let (said, running) = look(&dir, verb, request).await;
        assert!(running, "{verb}");
        live.push(said);
    }
    assert!(live[0]["running"] == true && live[3][0]["decision"]["result"]["allow"] == true, "{live:#?}");
    office.stop.send(true).unwrap();
    let Pair { mut seller, mut buyer, temp, .. } = pair;
    seller.stop().await;
    buyer.stop().await;
    // What the running node alone knows.
    let status = live[0].as_object_mut().unwrap();
    for name in ["addresses", "packs", "stopped", "standings", "strangers", "resident"] {
        assert!(status.remove(name).is_some(), "{name}");
    }
    status.insert("running".to_owned(), json!(false));
    for peer in live[1].as_array_mut().unwrap() {
        assert!(peer.as_object_mut().unwrap().remove("connected").is_some());
    }
    // Nobody asks for the lock: it can be held by another.
    let lock = loop {
        match FolderLock::acquire(&dir) {
            Ok(lock) => break lock,
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(10)).await,
        }
    };
    let before = contents(&dir);
    for ((verb, request), said) in verbs.into_iter().zip(&live) {
        let (rest, running) = look(&dir, verb, request).await;
        assert!(!running, "{verb}");
        // Acknowledgements that came last may have been written as an entry since.
        let (mut rest, mut said) = (rest, said.clone());
        for value in [&mut rest, &mut said] {
            value.as_object_mut().map(|members| members.remove("log_size"));
        }
        assert_eq!(rest, said, "{verb}");
    }
    assert!(contents(&dir) == before, "nothing was written");
    // The secret keys are not needed.
    fs::rename(dir.join("keys"), temp.join("away")).unwrap();
    assert!(!look(&dir, "exchanges", None).await.1);
    fs::rename(temp.join("away"), dir.join("keys")).unwrap();
    // What changes something, or asks a peer, needs a node.
    for verb in ["stop", "catalog", "publish"] {
        let failure = control::look(&dir, verb, Some(&json!({}))).await.unwrap_err();
        assert_eq!(failure.code, "not_running", "{verb}");
    }
    drop(lock);
    seller.open().await;
    assert_eq!(seller.view(&asked.id).await.unwrap().state, "FINALIZED");
    seller.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_of_another_version_is_refused_and_a_folder_that_never_ran_is_no_node() {
    let temp = Temp::new();
    let mut firm = Firm::start(temp.join("firm"), "Hangang", "KR", Some(0)).await;
    firm.stop().await;
    let folder = Folder::new(&firm.dir);
    let sql = |text: &'static str| {
        let database = folder.database();
        async move {
            let options = sqlx::sqlite::SqliteConnectOptions::new().filename(database);
            let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
            sqlx::query(text).execute(&pool).await.unwrap();
            pool.close().await;
        }
    };
    sql("UPDATE _sqlx_migrations SET version = version + 1000").await;
    let failure = control::look(&firm.dir, "status", None).await.unwrap_err();
    assert_eq!(failure.code, "store_newer", "{failure}");
    sql("DELETE FROM _sqlx_migrations").await;
    let failure = control::look(&firm.dir, "status", None).await.unwrap_err();
    assert_eq!(failure.code, "store_unavailable", "{failure}");
    assert!(failure.message.contains("naru run"), "{failure}");
    fs::write(folder.database(), "no database").unwrap();
    let error = AtRest::open(&folder).await.unwrap_err();
    assert!(matches!(error.code(), Code::StoreCorrupt | Code::StoreUnavailable), "{error}");

    let fresh = temp.join("fresh");
    naru::cli::init::create(&crate::common::init(&fresh, "Hangang", "KR", Some(0))).unwrap();
    for dir in [&fresh, &temp.join("nothing")] {
        assert_eq!(control::look(dir, "status", None).await.unwrap_err().code, "not_running");
        assert!(!dir.join("naru.db").exists(), "looking makes nothing");
    }
}
