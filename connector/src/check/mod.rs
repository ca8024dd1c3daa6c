//! `naru check`: whether a node's folder is in order, each thing by itself, with the node running or not.
//!
//! | file | what it looks at |
//! |---|---|
//! | `folder` | settings, permissions, keys against statements, the operator's facts, disk |
//! | `log` | database, log, high-water file, clock |
//! | `network` | listening address, the HTTPS certificate, what peers see |
//! | `outside` | the proxy and the relays of `[network]` |
//! | `published` | files that are offered where they lie |
//!
//! Changes nothing and asks no peer anything, but connects with the proxy and the relays: what cannot be known from here is said to be so. What fails has a stable code and
//! says what to do; what may be meant so is a warning, and does not fail the whole.

mod folder;
mod log;
mod network;
mod outside;
mod published;

use naru_protocol::{
    error::{Code, Lang},
    supply::Revision,
};
use serde_json::{Value, json};

use crate::{
    config::{Config, Folder},
    control,
    node::{Me, load_packs, now},
    store::FolderLock,
};

/// How a thing was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// In order.
    Ok,
    /// Perhaps meant so.
    Warning,
    /// Not in order.
    Failed,
}

/// One thing that was looked at.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Item {
    /// What was looked at.
    pub name: &'static str,
    /// How it was found.
    pub outcome: Outcome,
    /// A code of the registry, where it is not in order.
    pub code: Option<Code>,
    /// What was found.
    #[serde(serialize_with = "Said::english")]
    pub message: Said,
    /// What to do, where it is not in order.
    pub hint: Option<String>,
    /// The same in Korean.
    #[serde(skip)]
    ko: Option<String>,
}

/// What was found, in both languages; details that come from the system, a peer or a file are as they came.
#[derive(Debug, Clone)]
pub struct Said {
    en: String,
    ko: String,
}

impl Said {
    /// In a language.
    #[must_use]
    pub fn text(&self, lang: Lang) -> &str {
        lang.pick(&self.en, &self.ko)
    }

    /// Programs read English, as they read codes.
    fn english<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.en)
    }
}

impl From<String> for Said {
    fn from(detail: String) -> Self {
        Self { ko: detail.clone(), en: detail }
    }
}

/// A message in English and Korean, with the same values in both.
macro_rules! said {
    ($en:literal, $ko:literal $(, $value:expr)*) => {
        $crate::check::Said { en: format!($en $(, $value)*), ko: format!($ko $(, $value)*) }
    };
}
use said;

impl Item {
    fn new(name: &'static str, outcome: Outcome, code: Option<Code>, message: impl Into<Said>) -> Self {
        let hint = code.map(|code| code.hint(Lang::En).to_owned());
        let ko = code.map(|code| code.hint(Lang::Ko).to_owned());
        Self { name, outcome, code, message: message.into(), hint, ko }
    }

    fn ok(name: &'static str, message: impl Into<Said>) -> Self {
        Self::new(name, Outcome::Ok, None, message)
    }

    fn warning(name: &'static str, code: Code, message: impl Into<Said>) -> Self {
        Self::new(name, Outcome::Warning, Some(code), message)
    }

    fn failed(name: &'static str, code: Code, message: impl Into<Said>) -> Self {
        Self::new(name, Outcome::Failed, Some(code), message)
    }

    /// With words of its own on what to do, in both languages.
    fn hints(self, en: &str, ko: &str) -> Self {
        Self { hint: Some(en.to_owned()), ko: Some(ko.to_owned()), ..self }
    }

    /// What to do, in a language.
    #[must_use]
    pub fn hint_in(&self, lang: Lang) -> Option<&str> {
        match lang {
            Lang::En => self.hint.as_deref(),
            Lang::Ko => self.ko.as_deref(),
        }
    }
}

/// What the parts look at.
struct Looked<'a> {
    folder: &'a Folder,
    config: &'a Config,
    /// Identity and keys, where they could be read.
    me: Option<&'a Me>,
    /// What the running node says of itself; none if none runs.
    status: Option<&'a Value>,
    now: u64,
}

/// Everything that was looked at.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Report {
    /// Whether a node runs in the folder.
    pub running: bool,
    /// One by one.
    pub checks: Vec<Item>,
}

impl Report {
    /// Whether nothing failed.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.count(Outcome::Failed) == 0
    }

    /// How many were found so.
    #[must_use]
    pub fn count(&self, outcome: Outcome) -> usize {
        self.checks.iter().filter(|item| item.outcome == outcome).count()
    }

    /// As JSON, version 1.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({"v": 1, "ok": self.holds(), "running": self.running, "checks": self.checks})
    }
}

/// Looks at a folder.
pub async fn check(folder: &Folder) -> Report {
    let (config, mut checks) = folder::settings(folder);
    let Some(config) = config else { return Report { running: false, checks } };
    let (running, status, held) = running(folder).await;
    checks.extend(held);
    let me = match Me::read(folder, config.shard) {
        Ok(me) => Some(me),
        Err(error) => {
            // What is wrong with them says its own code: sealed keys are to be opened, not replaced.
            let sealed = error.code() == Code::KeysSealed;
            let code = if sealed { Code::KeysSealed } else { Code::KeyFileUnusable };
            checks.push(Item::failed("keys", code, error.to_string()));
            None
        }
    };
    let looked = Looked { folder, config: &config, me: me.as_ref(), status: status.as_ref(), now: now() };
    checks.extend(folder::keys(&looked));
    checks.push(folder::facts(&looked));
    checks.extend(supplies(&looked));
    checks.extend(standings(&looked));
    checks.extend(log::check(&looked).await);
    checks.extend(network::check(&looked).await);
    checks.extend(outside::check(&looked).await);
    checks.extend(published::check(&looked).await);
    checks.push(packs(&looked).await);
    checks.push(folder::disk(&looked));
    Report { running, checks }
}

/// Whether a node runs there, and what it says of itself.
async fn running(folder: &Folder) -> (bool, Option<Value>, Option<Item>) {
    let lock = FolderLock::acquire(folder.path());
    let status = match &lock {
        Ok(_) => return (false, None, Some(Item::ok("node", said!("does not run", "실행 중이 아닙니다")))),
        Err(error) if error.code() != Code::FolderLocked => {
            return (false, None, Some(Item::failed("node", error.code(), error.to_string())));
        }
        Err(_) => control::call(folder.path(), "status", None).await,
    };
    match status {
        Ok(status) => {
            let stopped = status.get("stopped").and_then(Value::as_str).map(str::to_owned);
            let item = stopped.map_or_else(
                || Item::ok("node", said!("runs and answers", "실행 중이며 응답합니다")),
                |why| Item::failed("node", Code::StoreRolledBack, why),
            );
            (true, Some(status), Some(item))
        }
        Err(error) => {
            let said = said!(
                "a process holds the folder and does not answer: {}",
                "어떤 프로세스가 폴더를 쥐고 있는데 응답하지 않습니다: {}",
                error.message
            );
            (true, None, Some(Item::failed("node", Code::FolderLocked, said)))
        }
    }
}

/// Signed packs and data of the running node whose time is over.
fn supplies(looked: &Looked<'_>) -> Vec<Item> {
    let all = looked.status.and_then(|status| status.get("supplies")).and_then(Value::as_array);
    let stale = all.into_iter().flatten().filter(|supply| supply["stale"] == true);
    let item = |supply: &Value| {
        let (what, step) = (supply["what"].as_str().unwrap_or_default(), supply["steps"][0].as_str());
        let (step, said) =
            (step.unwrap_or_default(), format!("{what} {}: their time is over", supply["number"]));
        let (en, ko) = (
            format!("Get newer from their publisher: {step}"),
            format!("발행자에게서 새것을 받으세요: {step}"),
        );
        Item::warning("supplies", Code::SupplyExpired, said).hints(&en, &ko)
    };
    stale.map(item).collect()
}

/// Agreements of the running node that the law no longer allows, or of which it cannot be said.
fn standings(looked: &Looked<'_>) -> Vec<Item> {
    let all = looked.status.and_then(|status| status.get("standings")).and_then(Value::as_array);
    let item = |standing: &Value| {
        let text = |name: &str| standing[name].as_str().unwrap_or_default().to_owned();
        let rules: Vec<&str> =
            standing["rules"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let said =
            format!("{} with {}: {}: {}", text("exchange"), text("peer"), text("standing"), rules.join(", "));
        Item::warning("agreements", Code::parse(&text("code")).unwrap_or(Code::Undetermined), said)
    };
    all.into_iter().flatten().map(item).collect()
}

/// Compiles the packs, and compares them with those of the running node.
async fn packs(looked: &Looked<'_>) -> Item {
    let engine = match tokio::task::spawn_blocking(load_packs).await {
        Ok(Ok(engine)) => engine,
        Ok(Err(error)) => return Item::failed("packs", error.code(), error.to_string()),
        Err(error) => return Item::failed("packs", Code::PolicyBroken, error.to_string()),
    };
    let ours: Vec<Value> = engine
        .packs()
        .map(|pack| json!({"name": pack.name, "revision": pack.revision, "digest": pack.digest}))
        .collect();
    let theirs = looked.status.and_then(|status| status.get("packs")).and_then(Value::as_array);
    // Packs that were accepted since are newer than those of the program.
    let revision = |pack: &Value| Revision::parse(pack["revision"].as_str().unwrap_or_default());
    let older = |own: &Value, theirs: &[Value]| {
        !theirs
            .iter()
            .any(|pack| pack == own || (pack["name"] == own["name"] && revision(pack) > revision(own)))
    };
    if theirs.is_some_and(|theirs| ours.iter().any(|own| older(own, theirs))) {
        let said = said!(
            "the running node was started by a program with other packs",
            "실행 중인 노드는 다른 규칙 묶음을 가진 프로그램으로 시작되었습니다"
        );
        return Item::warning("packs", Code::PacksDiffer, said).hints(
            "Restart the node to use those of this program.",
            "이 프로그램의 것을 쓰려면 노드를 다시 시작하세요.",
        );
    }
    let names: Vec<String> = engine.packs().map(|pack| format!("{} {}", pack.name, pack.revision)).collect();
    Item::ok("packs", said!("compiled: {}", "컴파일됨: {}", names.join(", ")))
}
