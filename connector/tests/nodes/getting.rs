//! `naru get` as a person or a script uses it, between two real nodes: one deal for one wish however often and by how many it is
//! asked for, going on after it was broken off, a rate, standard output (spec chapter 07; design of the command line).

use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
};

use naru::{
    config::Folder,
    node::verbs::{ExchangeName, ExchangeView, LimitRate, Propose},
};
use naru_protocol::error::Code;
use serde_json::Value;
use tokio::sync::watch::Sender;

use crate::common::{Dials, Firm, Pair, harmless, policy, proposal, publish_files, same_files};

/// Opens the management API of a firm, for commands.
pub(super) async fn serve(firm: &Firm) -> Sender<bool> {
    let (stop, _) = tokio::sync::watch::channel(false);
    naru::control::serve(firm.node().clone(), &Folder::new(&firm.dir), stop.clone()).await.unwrap();
    stop
}

/// The program, to be started without a terminal.
pub(super) fn naru(dir: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_naru"));
    command.args(arguments).arg("--dir").arg(dir).env_remove("NARU_DIR").env("NARU_LANG", "en");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

pub(super) async fn run(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

fn get(pair: &Pair, dataset: &str, out: &str, more: &[&str]) -> Command {
    let reference = format!("other/{dataset}");
    let base = ["get", &reference, "--purpose", "quality_analysis", "--country", "SG", "--out", out, "--yes"];
    naru(&pair.buyer.dir, &[&base[..], more].concat())
}

fn wish(dataset: &str, out: &Path) -> Propose {
    proposal("other", dataset, Some(out.to_owned()))
}

fn said(output: &Output) -> (String, String) {
    (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn two_gets_of_the_same_thing_are_one_deal_and_a_third_signs_nothing() {
    let pair = Pair::new(Dials::Buyer, harmless()).await;
    let _stop = serve(&pair.buyer).await;
    let out = pair.temp.join("in");
    let (node, text) = (pair.buyer.node(), out.to_str().unwrap());
    assert!(node.underway(wish(&pair.dataset, &out)).await.unwrap().is_none());
    let two = tokio::join!(
        run(get(&pair, &pair.dataset, text, &["--json"])),
        run(get(&pair, &pair.dataset, text, &["--json"]))
    );
    let mut ids = Vec::new();
    for output in [two.0, two.1] {
        assert!(output.status.success(), "{:?}", said(&output));
        let view: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(view["state"], "COMPLETED");
        ids.push(view["id"].as_str().unwrap().to_owned());
    }
    assert_eq!(ids[0], ids[1], "both followed one transfer");
    same_files(&out);
    assert_eq!(node.exchanges().await.unwrap().len(), 2, "one negotiation and its transfer");

    // What has arrived is there; the log does not grow by asking for it again.
    let size = node.status().await.unwrap().log_size;
    let third = run(get(&pair, &pair.dataset, text, &[])).await;
    let (stdout, stderr) = said(&third);
    assert!(third.status.success() && stdout.contains("COMPLETED"), "{stdout}{stderr}");
    assert!(stderr.contains("has arrived already") && !stdout.contains("our rules"), "{stdout}{stderr}");
    assert_eq!(node.status().await.unwrap().log_size, size);

    // Another purpose, other places or another folder are another wish.
    let same = wish(&pair.dataset, &out);
    assert_eq!(node.underway(same.clone()).await.unwrap().unwrap().id, ids[0]);
    for change in [
        (|w: &mut Propose| w.purpose = "research".to_owned()) as fn(&mut Propose),
        |w| w.countries = vec!["KR".to_owned()],
        |w| w.out = w.out.as_ref().map(|out| out.join("below")),
        |w| w.dataset = "urn:dxp:none".to_owned(),
    ] {
        let mut other = same.clone();
        change(&mut other);
        assert!(node.underway(other).await.unwrap().is_none());
    }
    // The files were taken away: asking again makes a new deal.
    fs::remove_dir_all(&out).unwrap();
    assert!(node.underway(same).await.unwrap().is_none());
    pair.close().await;
}

/// Many small files, so that little of them is a chunk.
async fn many(pair: &Pair) -> String {
    let source = pair.temp.join("many");
    fs::create_dir_all(&source).unwrap();
    for n in 0..24_u8 {
        fs::write(source.join(format!("{n:02}.bin")), [n; 64 << 10]).unwrap();
    }
    publish_files(&pair.seller, &source, harmless(), policy()).await
}

async fn transfer(pair: &Pair) -> Option<ExchangeView> {
    let all = pair.buyer.node().exchanges().await.unwrap();
    all.into_iter().find(|view| view.kind == "transfer")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_get_that_was_broken_off_goes_on_with_the_same_deal() {
    let pair = Pair::new(Dials::Buyer, harmless()).await;
    let stop = serve(&pair.buyer).await;
    let (dataset, out) = (many(&pair).await, pair.temp.join("in"));
    let text = out.to_str().unwrap();
    let mut first = get(&pair, &dataset, text, &["--limit-rate", "64K"]).spawn().unwrap();
    // Some of it is verified, and at this rate the rest takes a while.
    let view = loop {
        if let Some(view) = transfer(&pair).await.filter(|view| view.bytes.is_some_and(|bytes| bytes > 0)) {
            break view;
        }
        assert!(first.try_wait().unwrap().is_none(), "it ended before anything came");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    };
    assert_eq!((view.state.as_str(), view.total), ("STARTED", Some(24 << 16)), "{view:?}");
    first.kill().unwrap();
    first.wait().unwrap();
    assert!(!out.join("00.bin").exists(), "no file has its name before all are verified");
    // Somebody who says nothing of a rate waits no longer for it.
    let second = run(get(&pair, &dataset, text, &[])).await;
    assert!(second.status.success(), "{:?}", said(&second));
    assert!(said(&second).1.contains("goes on with exchange"), "{:?}", said(&second));
    for n in 0..24_u8 {
        assert_eq!(fs::read(out.join(format!("{n:02}.bin"))).unwrap(), [n; 64 << 10]);
    }
    let all = pair.buyer.node().exchanges().await.unwrap();
    assert_eq!(all.len(), 2, "{all:#?}");
    let done = transfer(&pair).await.unwrap();
    assert_eq!((done.id, done.bytes, done.total), (view.id, Some(24 << 16), None));
    drop(stop);
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_had_stopped_is_taken_up_again_by_the_same_get() {
    let pair = Pair::new(Dials::Buyer, harmless()).await;
    let _stop = serve(&pair.buyer).await;
    let (dataset, out) = (many(&pair).await, pair.temp.join("in"));
    let text = out.to_str().unwrap();
    let asked = pair.buyer.request("other", &dataset, Some(out.clone())).await.unwrap();
    let ask = |rate| LimitRate { id: asked.id.clone(), bytes_per_second: rate };
    pair.buyer.node().limit_rate(ask(Some(64 << 10))).await.unwrap();
    let id = pair.buyer.until(&asked.id, |view| view.other.is_some()).await.other.unwrap();
    pair.buyer.until(&id, |view| view.bytes.is_some_and(|bytes| bytes > 0)).await;
    // Somebody's own file is where one of the dataset has to go: it is not written over.
    fs::write(out.join("23.bin"), "mine").unwrap();
    pair.buyer.node().limit_rate(ask(None)).await.unwrap();
    pair.buyer.until(&id, |view| view.trouble.as_ref().is_some_and(|trouble| !trouble.goes_on)).await;
    let stopped = run(get(&pair, &dataset, text, &["--json"])).await;
    assert!(!stopped.status.success(), "{:?}", said(&stopped));
    assert_eq!(fs::read(out.join("23.bin")).unwrap(), b"mine");
    fs::remove_file(out.join("23.bin")).unwrap();
    let mended = run(get(&pair, &dataset, text, &["--json"])).await;
    assert!(mended.status.success(), "{:?}", said(&mended));
    assert_eq!(fs::read(out.join("23.bin")).unwrap(), [23; 64 << 10]);
    assert_eq!(transfer(&pair).await.unwrap().id, id);
    assert_eq!(pair.buyer.node().exchanges().await.unwrap().len(), 2, "one deal");
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_is_kept_within_bounds() {
    let pair = Pair::new(Dials::Buyer, harmless()).await;
    let asked = pair.buyer.request("other", &pair.dataset, None).await.unwrap();
    let set = |rate| {
        let ask = LimitRate { id: asked.id.clone(), bytes_per_second: rate };
        let node = pair.buyer.node();
        async move { node.limit_rate(ask).await.map(|view| view.id).map_err(|error| error.code()) }
    };
    assert_eq!(set(Some(1)).await, Err(Code::ArgumentInvalid));
    assert_eq!(set(Some(64 << 10)).await.as_ref(), Ok(&asked.id));
    assert_eq!(set(None).await.as_ref(), Ok(&asked.id));
    let none = LimitRate { id: naru_protocol::encoding::Id([7; 16]).to_string(), bytes_per_second: None };
    assert_eq!(pair.buyer.node().limit_rate(none).await.unwrap_err().code(), Code::NotFound);
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_file_comes_out_of_standard_output_and_nothing_else_does() {
    let pair = Pair::new(Dials::Buyer, harmless()).await;
    let _stop = serve(&pair.buyer).await;
    let source = pair.temp.join("one.csv");
    let content = "id,value\r\n1,2\r\n".repeat(10_000);
    fs::write(&source, &content).unwrap();
    let dataset = publish_files(&pair.seller, &source, harmless(), policy()).await;
    let poured = run(get(&pair, &dataset, "-", &[])).await;
    let (stdout, stderr) = said(&poured);
    assert!(poured.status.success(), "{stderr}");
    assert!(stdout == content, "{} bytes", stdout.len());
    assert!(stderr.contains("our rules allow it") && stderr.contains("transfer COMPLETED"), "{stderr}");
    let received = pair.buyer.dir.join("received");
    assert_eq!(fs::read_dir(&received).unwrap().count(), 0, "it is taken");
    let poured = run(get(&pair, &dataset, "-", &["--json"])).await;
    assert!(poured.status.success() && poured.stdout == content.as_bytes());
    let view: Value = serde_json::from_slice(&poured.stderr).unwrap();
    assert_eq!(view["state"], "COMPLETED");

    // Four files are none for standard output: nothing is signed for them.
    let before = pair.buyer.node().exchanges().await.unwrap().len();
    let refused = run(get(&pair, &pair.dataset, "-", &["--json"])).await;
    assert_eq!(refused.status.code(), Some(2));
    assert!(refused.stdout.is_empty());
    let failure: Value = serde_json::from_slice(&refused.stderr).unwrap();
    assert!(failure["message"].as_str().unwrap().contains("4 files"), "{failure}");
    assert_eq!(pair.buyer.node().exchanges().await.unwrap().len(), before);
    // Elsewhere in the node's own folder nothing is received.
    let own = pair.buyer.dir.join("keys/in");
    let refused = pair.buyer.node().request(wish(&dataset, &own)).await.unwrap_err();
    assert_eq!(refused.code(), Code::FolderOccupied);
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deal_that_came_to_nothing_is_not_under_way() {
    let pair = Pair::new(Dials::Buyer, harmless()).await;
    let out = pair.temp.join("in");
    let mut refused = wish(&pair.dataset, &out);
    refused.purpose = "marketing".to_owned();
    pair.buyer.node().request(refused.clone()).await.unwrap_err();
    assert!(pair.buyer.node().underway(refused).await.unwrap().is_none());
    // Cancelled, or its agreement ended: not either.
    let asked = pair.buyer.node().request(wish(&pair.dataset, &out)).await.unwrap();
    pair.concluded(&asked.id, &out).await;
    let there = pair.buyer.node().underway(wish(&pair.dataset, &out)).await.unwrap().unwrap();
    assert_eq!(there.other.as_ref(), Some(&asked.id));
    let view = pair.buyer.node().exchange(ExchangeName { id: there.id }).await.unwrap();
    assert_eq!(view.state, "COMPLETED");
    pair.close().await;
}
