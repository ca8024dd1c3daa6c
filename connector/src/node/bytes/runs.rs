//! Which transfers' bytes are being received in this process: each by one task, however often it is started (by a commit,
//! by a restart, by an act that came twice).
//!
//! A start that comes while a task runs is not lost: what it was about is looked at once more when that task is done. A task
//! whose transfer ends or is suspended is halted, so that nothing that is still under way is taken any more.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use naru_protocol::encoding::Id;
use tokio::sync::Notify;

/// The transfers with a task.
type Tasks = BTreeMap<Id, Task>;

#[derive(Debug, Default)]
struct Task {
    /// Whether it was started again meanwhile.
    again: bool,
    halt: Arc<Notify>,
}

/// All tasks of a node; clones share them.
#[derive(Debug, Clone, Default)]
pub(in crate::node) struct Runs(Arc<Mutex<Tasks>>);

/// The one task of a transfer. Dropping it, by a panic too, lets the next one begin.
#[derive(Debug)]
pub(in crate::node) struct Run {
    all: Runs,
    id: Id,
    open: bool,
    halt: Arc<Notify>,
}

impl Runs {
    fn lock(&self) -> MutexGuard<'_, Tasks> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins, unless a task is at it: that one is told instead.
    pub(in crate::node) fn begin(&self, id: Id) -> Option<Run> {
        let mut tasks = self.lock();
        if let Some(task) = tasks.get_mut(&id) {
            task.again = true;
            return None;
        }
        let halt = Arc::clone(&tasks.entry(id).or_default().halt);
        Some(Run { all: self.clone(), id, open: true, halt })
    }

    /// Tells the task of a transfer, if there is one, to leave off and look again.
    pub(in crate::node) fn halt(&self, id: Id) {
        if let Some(task) = self.lock().get_mut(&id) {
            task.again = true;
            task.halt.notify_one();
        }
    }
}

impl Run {
    /// Resolves when the transfer is to be left off.
    pub(in crate::node) async fn halted(&self) {
        self.halt.notified().await;
    }

    /// Ends, unless it was started again meanwhile: then true, once for however many starts.
    pub(in crate::node) fn again(&mut self) -> bool {
        let mut tasks = self.all.lock();
        if let Some(task) = tasks.get_mut(&self.id).filter(|task| task.again) {
            task.again = false;
            return true;
        }
        tasks.remove(&self.id);
        self.open = false;
        false
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if self.open {
            self.all.lock().remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path, time::Duration};

    use naru_protocol::encoding::Digest;
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        cli::init::{Init, create},
        config::Folder,
        data::part::PartFolder,
        node::{
            Node, now,
            verbs::{ExchangeName, ExchangeView, IssueTicket, Propose, Publish, Trust},
        },
    };

    #[test]
    fn one_task_at_a_time_and_no_start_is_lost() {
        let (runs, id) = (Runs::default(), Id([1; 16]));
        let mut first = runs.begin(id).unwrap();
        let other = runs.begin(Id([2; 16])).unwrap();
        assert!(runs.begin(id).is_none() && runs.begin(id).is_none());
        assert!(first.again(), "it was started again");
        assert!(!first.again(), "once");
        // It has ended, and its late drop does not end the next one.
        let mut second = runs.begin(id).unwrap();
        drop(first);
        assert!(runs.begin(id).is_none());
        assert!(second.again());
        drop(second);
        // One that is to leave off looks again; whoever is not there is not told.
        let mut third = runs.begin(id).unwrap();
        runs.halt(id);
        runs.halt(Id([3; 16]));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(third.halted());
        assert!(third.again() && !third.again());
        assert!(runs.begin(id).is_some());
        drop(other);
        assert!(runs.lock().is_empty());
    }

    async fn open(dir: &Path, country: &str) -> (Node, String) {
        let init = Init {
            dir: dir.to_owned(),
            name: country.to_owned(),
            country: country.to_owned(),
            size: "sme".to_owned(),
            host: "127.0.0.1".to_owned(),
            port: None,
            https: None,
            https_host: None,
            about: Vec::new(),
        };
        let did = create(&init).unwrap().did;
        (Node::open(&Folder::new(dir)).await.unwrap(), did)
    }

    async fn until(node: &Node, id: &str, done: impl Fn(&ExchangeView) -> bool) -> ExchangeView {
        for _ in 0..3000 {
            match node.exchange(ExchangeName { id: id.to_owned() }).await {
                Ok(view) if done(&view) => return view,
                Ok(_) | Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
        panic!("did not get there: {:#?}", node.exchanges().await);
    }

    /// A small dataset free of controlled technology, published; its name and content root.
    async fn publish(seller: &Node, source: &Path) -> (String, Digest) {
        fs::create_dir_all(source).unwrap();
        fs::write(source.join("table.csv"), "id\r\n1\r\n").unwrap();
        let mut facts: Value =
            serde_json::from_str(include_str!("../../../../examples/ev-parts/facts.json")).unwrap();
        for of in ["nct", "strategic"] {
            facts["technology"][of]["determination"]["at"] = json!(now() - 86_400);
        }
        let policy = serde_json::from_str(include_str!("../../../../examples/ev-parts/terms.json")).unwrap();
        let title = [("en".to_owned(), "records".to_owned())].into();
        let made = seller
            .publish(Publish { path: source.to_owned(), title, policy, facts, ..Publish::default() })
            .await
            .unwrap();
        (made.dataset, Digest::parse(&made.content_root).unwrap())
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn bytes_are_received_by_one_task_however_often_it_is_started() {
        let temp = std::env::temp_dir().join(format!("naru-runs-{}", std::process::id()));
        let (here, there) = (temp.join("seller"), temp.join("buyer"));
        let ((seller, provider), (buyer, consumer)) = tokio::join!(open(&here, "KR"), open(&there, "SG"));
        let screened = json!({"screening": {consumer: {"hit": false, "screened_at": now() - 60}}});
        fs::write(here.join("facts.json"), screened.to_string()).unwrap();
        let ticket = seller.issue_ticket(IssueTicket { auto_accept: true, ttl: 600 }).await.unwrap().ticket;
        let issuer = naru_protocol::ticket::Ticket::parse(&ticket, now()).unwrap();
        let fingerprint = naru_protocol::identity::fingerprint(issuer.peer().did());
        buyer.trust(Trust { ticket, alias: "seller".to_owned(), fingerprint }).await.unwrap();
        let (dataset, root) = publish(&seller, &temp.join("source")).await;

        // Somebody else works in the folder: the task stands still until it is let in.
        let out = temp.join("out");
        let held = PartFolder::open(&out, &root).unwrap();
        let ask = Propose {
            peer: provider,
            dataset,
            purpose: "quality_analysis".to_owned(),
            countries: vec!["SG".to_owned()],
            out: Some(out.clone()),
            facts: None,
            keep_days: None,
            push: false,
        };
        let deal = buyer.request(ask).await.unwrap().id;
        let transfer = until(&buyer, &deal, |v| v.other.is_some()).await.other.unwrap();
        until(&buyer, &transfer, |v| v.state == "STARTED").await;
        let id = Id::parse(&transfer).unwrap();
        while !buyer.receiving.lock().contains_key(&id) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        for _ in 0..3 {
            let again = tokio::time::timeout(Duration::from_secs(2), buyer.clone().receive_bytes(id)).await;
            again.expect("a second start ends at once");
        }
        assert_eq!(until(&buyer, &transfer, |_| true).await.state, "STARTED");
        drop(held);
        let view = until(&buyer, &transfer, |v| v.state == "COMPLETED" && v.waits_for.is_none()).await;
        assert!(view.receipt.is_some() && view.refusal.is_none(), "{view:#?}");
        assert!(out.join("table.csv").exists());
        while !buyer.receiving.lock().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::join!(seller.close(), buyer.close()).0.unwrap();
        let _ = fs::remove_dir_all(temp);
    }
}
