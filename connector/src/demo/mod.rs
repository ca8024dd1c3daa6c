//! `naru demo`: the nine steps between two real nodes on one machine, told as they happen.
//!
//! Two processes with their own folders trade the example files: one deal is refused by law, the remedy that the rule
//! names is applied, the same request is allowed; a second deal goes the other way round (the provider dials and
//! proposes). Then both logs are exported and verified from files alone against anchors that neither node holds, and a
//! copy with one flipped bit is shown to fail. Nothing here is a second implementation: every line is a command that a
//! person could give, and it is told as held only if the node's answer says so.

mod stage;
mod story;
mod tell;

use std::{
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use naru_protocol::error::{Code, Lang};
use serde_json::{Value, json};

use self::stage::Actor;
pub use self::tell::Teller;
use crate::{
    audit::{self, Anchors},
    cli::signalled,
    control::Failure,
};

/// Attempts of the provider to be the one who dialled.
const DIALS: u64 = 10;

/// What the reader chose.
#[derive(Debug, Clone, clap::Args)]
pub struct Demo {
    /// Where both nodes' folders go; a new one under the temporary folder otherwise.
    #[arg(long)]
    pub dir: Option<PathBuf>,
    /// Leave both nodes running at the end.
    #[arg(long)]
    pub keep: bool,
}

/// Runs the demo, told in JSON lines or text; true only if all of it held. A signal ends it and, with it, both nodes.
pub async fn run(args: &Demo, json: bool, lang: Lang) -> bool {
    let mut teller = Teller::new(json, lang);
    let dir = folder(args.dir.as_deref());
    let ended = match &dir {
        Ok(dir) => {
            let played = tokio::select! {
                played = play(args, &mut teller, dir) => played,
                () = signalled() => Err(Failure::new(Code::Cancelled, "stopped by a signal, with both nodes")),
            };
            played.map_err(|failure| (failure, Some(dir)))
        }
        Err(failure) => Err((failure.clone(), None)),
    };
    match ended {
        Ok(summary) => {
            teller.summary(&summary);
            teller.held()
        }
        Err((failure, dir)) => {
            complain(&mut teller, &failure);
            let dir = dir.or(args.dir.as_ref());
            teller.summary(
                &json!({"step": "summary", "ok": false, "node": "", "dir": dir, "code": failure.code}),
            );
            false
        }
    }
}

fn complain(teller: &mut Teller, failure: &Failure) {
    let text = format!("{} [{}]", failure.message, failure.code);
    teller.tell("error", false, "", &text, &text, json!({"code": failure.code}));
}

fn folder(given: Option<&Path>) -> Result<PathBuf, Failure> {
    let io =
        |e: std::io::Error| Failure::new(Code::FileUnusable, format!("cannot make the demo's folder: {e}"));
    let dir = match given {
        Some(dir) => dir.to_owned(),
        None => std::env::temp_dir().join(format!("naru-demo-{}-{}", now(), std::process::id())),
    };
    if dir.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Failure::new(
            Code::ConfigInvalid,
            format!("{} is not empty; choose another folder", dir.display()),
        ));
    }
    std::fs::create_dir_all(&dir).map_err(io)?;
    dir.canonicalize().map_err(io)
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn number(value: &Value, name: &str) -> u64 {
    value.get(name).and_then(Value::as_u64).unwrap_or_default()
}

/// The deals of the story.
struct Deals {
    dataset: String,
    refused: String,
    concluded: String,
    dialling: String,
}

async fn play(args: &Demo, teller: &mut Teller, dir: &Path) -> Result<Value, Failure> {
    teller.say(
        "Two firms, two countries, one signed exchange. Firms, data and the authority's approval below are made up.\n",
        "두 나라의 두 기업이 서명된 거래 하나를 합니다. 아래의 기업과 데이터, 관계 기관의 승인은 모두 지어낸 것입니다.\n",
    );
    let (seller, buyer) = tokio::join!(
        Actor::start("hangang", dir.join("hangang"), "한강모터스", "KR", "sme"),
        Actor::start("merlion", dir.join("merlion"), "Merlion Analytics", "SG", "large"),
    );
    let (mut seller, mut buyer) = (seller?, buyer?);
    let anchors = dir.join("trust").join("anchors.toml");
    write_anchors(&anchors, &seller, &buyer)?;

    let dataset = publish(teller, &seller, dir, &buyer.did).await?;
    discover(teller, &seller, &buyer, &dataset).await?;
    let refused = refuse(teller, &seller, &buyer, &dataset).await?;
    remedy(teller, &seller, &buyer, &dataset)?;
    let concluded = conclude(teller, &seller, &buyer, &dataset, dir).await?;
    let dialling = reverse(teller, &seller, &buyer, &dataset, dir).await?;
    let deals = Deals { dataset, refused, concluded, dialling };
    let logs = export(teller, &seller, &buyer, dir).await?;
    judge(teller, &logs, &anchors, dir, &deals)?;

    if args.keep {
        seller.leave();
        buyer.leave();
    } else {
        tokio::join!(seller.stop(), buyer.stop());
    }
    farewell(args, teller, dir);
    Ok(json!({
        "step": "summary", "ok": teller.held(), "node": "", "dir": dir, "dataset": deals.dataset,
        "refused": deals.refused, "concluded": deals.concluded, "concluded_provider_dialling": deals.dialling,
        "logs": logs, "trust": anchors,
    }))
}

fn write_anchors(path: &Path, seller: &Actor, buyer: &Actor) -> Result<(), Failure> {
    let text = format!(
        "# Whom the auditor trusts to be whom; made by the auditor, never taken from a node's export.\nversion = 1\n\n\
         [[participant]]\ndid = \"{}\"\nname = \"한강모터스\"\ncountry = \"KR\"\n\n\
         [[participant]]\ndid = \"{}\"\nname = \"Merlion Analytics\"\ncountry = \"SG\"\n",
        seller.did, buyer.did
    );
    let write = || {
        path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
        std::fs::write(path, text)
    };
    write().map_err(|e| Failure::new(Code::FileUnusable, format!("{}: {e}", path.display())))
}

async fn publish(teller: &mut Teller, seller: &Actor, dir: &Path, buyer: &str) -> Result<String, Failure> {
    let source = dir.join("hangang-files");
    story::write_files(&source)
        .map_err(|e| Failure::new(Code::FileUnusable, format!("{}: {e}", source.display())))?;
    seller.facts(&story::screening(buyer, now()))?;
    let request = json!({"path": source, "title": story::title(), "policy": story::policy(), "facts": story::facts(now())});
    let made = seller.post("publish", request).await?;
    let dataset = text(&made, "dataset").to_owned();
    let (files, kib) = (number(&made, "files"), number(&made, "bytes") / 1024);
    teller.tell(
        "publish",
        files == story::FILES.len() as u64,
        seller.name,
        &format!(
            "{files} files ({kib} KiB: image, numbers, text, sound) as {dataset}, listing signed and logged"
        ),
        &format!(
            "파일 {files}개({kib} KiB: 영상·수치·문서·음향)를 {dataset} 로 공개, 등재 문서에 서명하고 기록"
        ),
        made,
    );
    Ok(dataset)
}

async fn discover(teller: &mut Teller, seller: &Actor, buyer: &Actor, dataset: &str) -> Result<(), Failure> {
    let ticket = seller.post("ticket", json!({"auto_accept": false, "ttl": 3600})).await?;
    let print = text(&ticket, "fingerprint").to_owned();
    let redeem = json!({"ticket": text(&ticket, "ticket"), "alias": "hangang", "fingerprint": print});
    let peer = buyer.post("trust", redeem).await?;
    let accepted =
        seller.post("accept", json!({"peer": buyer.did, "fingerprint": buyer.fingerprint})).await?;
    teller.tell(
        "discover",
        text(&peer, "fingerprint") == print && text(&accepted, "status") == "accepted",
        buyer.name,
        &format!(
            "redeemed a single-use ticket; each side confirmed the other's fingerprint, {print} and {}",
            buyer.fingerprint
        ),
        &format!("일회용 티켓 사용, 서로 상대의 지문 {print} · {} 을(를) 확인", buyer.fingerprint),
        peer,
    );
    let catalog = buyer.post("catalog", json!({"peer": "hangang"})).await?;
    let found = catalog.as_array().into_iter().flatten().any(|item| text(item, "dataset") == dataset);
    teller.tell(
        "discover",
        found,
        buyer.name,
        "read the catalog over libp2p and verified the listing's signature",
        "libp2p 로 카탈로그를 읽고 등재 문서의 서명을 검증",
        json!({"catalog": catalog}),
    );
    Ok(())
}

fn proposal(peer: &str, dataset: &str, out: Option<PathBuf>) -> Value {
    json!({"peer": peer, "dataset": dataset, "purpose": "quality_analysis", "countries": ["SG"], "out": out})
}

fn settled(view: &Value) -> bool {
    matches!(text(view, "state"), "FINALIZED" | "TERMINATED")
        && view.get("waits_for").is_none_or(Value::is_null)
}

async fn refuse(
    teller: &mut Teller,
    seller: &Actor,
    buyer: &Actor,
    dataset: &str,
) -> Result<String, Failure> {
    let asked = buyer.post("request", proposal("hangang", dataset, None)).await?;
    let id = text(&asked, "id").to_owned();
    teller.tell(
        "offer",
        true,
        buyer.name,
        "asked for the data: terms, purpose, destination and its own decision, signed",
        "자료를 요청: 조건·목적·보관지와 자기 판정을 담아 서명",
        json!({"exchange": id}),
    );
    let there = buyer.until(&id, settled).await?;
    let here = seller.until(&id, settled).await?;
    let decision = here.get("decision").cloned().unwrap_or_default();
    let held = text(&there, "state") == "TERMINATED" && text(&here, "state") == "TERMINATED";
    teller.tell(
        "decide",
        held,
        seller.name,
        "refused by law; no agreement, no byte moved",
        "법에 따라 거절: 합의도 전송도 없음",
        json!({"exchange": id}),
    );
    for item in decision.get("explained").and_then(Value::as_array).into_iter().flatten() {
        let (en, ko) = (&item["en"], &item["ko"]);
        let both = format!(
            "{}\n      en  {}: {}\n          remedy: {}\n      ko  {}: {}\n          조치: {}",
            text(item, "id"),
            text(en, "law"),
            text(en, "reason"),
            text(en, "remedy"),
            text(ko, "law"),
            text(ko, "reason"),
            text(ko, "remedy"),
        );
        teller.tell("decide", true, seller.name, &both, &both, item.clone());
    }
    Ok(id)
}

fn remedy(teller: &mut Teller, seller: &Actor, buyer: &Actor, dataset: &str) -> Result<(), Failure> {
    let mut facts = story::screening(&buyer.did, now());
    facts["approvals"] = json!([story::approval(dataset, &buyer.did, now())]);
    seller.facts(&facts)?;
    teller.tell(
        "decide",
        true,
        seller.name,
        "obtained the approval (MADE UP for this demo: no ministry was asked); no declared fact was changed",
        "승인을 받음(이 시연을 위해 지어낸 것으로 실제 승인이 아님). 신고한 사실은 바꾸지 않음",
        json!({"made_up": true, "approval": facts["approvals"][0]}),
    );
    Ok(())
}

async fn conclude(
    teller: &mut Teller,
    seller: &Actor,
    buyer: &Actor,
    dataset: &str,
    dir: &Path,
) -> Result<String, Failure> {
    let out = dir.join("merlion-files");
    let asked = buyer.post("request", proposal("hangang", dataset, Some(out.clone()))).await?;
    let id = text(&asked, "id").to_owned();
    follow(teller, seller, buyer, &id, &dir.join("hangang-files"), &out).await?;
    Ok(id)
}

/// Follows a deal from its first act to the data receipt, on both sides.
async fn follow(
    teller: &mut Teller,
    seller: &Actor,
    buyer: &Actor,
    id: &str,
    from: &Path,
    out: &Path,
) -> Result<(), Failure> {
    let theirs = buyer.until(id, settled).await?;
    let ours = seller.until(id, settled).await?;
    let allowed = |view: &Value| view.pointer("/decision/result/allow") == Some(&json!(true));
    teller.tell(
        "decide",
        allowed(&ours) && allowed(&theirs),
        "",
        "the same engine and the same packs on both sides: exporter allows, importer allows",
        "양쪽의 같은 엔진과 같은 규칙 묶음으로 판정: 수출 측 허용, 수입 측 허용",
        json!({"exchange": id, "exporter": ours["decision"], "importer": theirs["decision"]}),
    );
    let agreement = text(&theirs, "in_force").to_owned();
    teller.tell(
        "agree",
        !agreement.is_empty() && agreement == text(&ours, "in_force"),
        "",
        &format!(
            "one text, two signatures, FINALIZED and acknowledged in {} ms: agreement {agreement}",
            number(&theirs, "took_ms")
        ),
        &format!(
            "하나의 문서에 두 서명, FINALIZED 와 그 확인까지 {} ms: 합의 {agreement}",
            number(&theirs, "took_ms")
        ),
        json!({"exchange": id, "agreement": agreement, "ms": theirs["took_ms"]}),
    );
    let negotiation = buyer.until(id, |v| v.get("other").is_some_and(Value::is_string)).await?;
    let transfer = text(&negotiation, "other").to_owned();
    let done = |view: &Value| settled_transfer(view);
    let got = buyer.until(&transfer, done).await?;
    let gave = seller.until(&transfer, done).await?;
    let same =
        story::FILES.iter().all(|(name, bytes)| std::fs::read(out.join(name)).is_ok_and(|b| b == *bytes));
    let bytes = number(&got, "bytes");
    teller.tell(
        "transfer",
        same && from.exists() && text(&got, "state") == "COMPLETED",
        buyer.name,
        &format!(
            "{bytes} bytes, every chunk verified before it was acknowledged; the files equal the exporter's"
        ),
        &format!("{bytes} 바이트, 조각마다 검증한 뒤 확인; 받은 파일이 원본과 같음"),
        json!({"exchange": transfer, "bytes": bytes}),
    );
    let receipt = text(&got, "receipt").to_owned();
    teller.tell(
        "receipt",
        !receipt.is_empty() && receipt == text(&gave, "receipt"),
        buyer.name,
        &format!("signed for receipt of the content root; the exporter acknowledged: {receipt}"),
        &format!("내용 전체의 수령에 서명, 수출 측이 확인: {receipt}"),
        json!({"exchange": transfer, "receipt": receipt}),
    );
    Ok(())
}

fn settled_transfer(view: &Value) -> bool {
    matches!(text(view, "state"), "COMPLETED" | "TERMINATED")
        && view.get("waits_for").is_none_or(Value::is_null)
}

/// The second deal: the connection is dropped, the provider dials, and the provider proposes.
async fn reverse(
    teller: &mut Teller,
    seller: &Actor,
    buyer: &Actor,
    dataset: &str,
    dir: &Path,
) -> Result<String, Failure> {
    let mut dialled = Value::Null;
    // Either side may still hold the old connection for a moment, or have opened one for a question about the log.
    for tries in 1..=DIALS {
        buyer.post("disconnect", json!({"peer": "hangang"})).await?;
        tokio::time::sleep(Duration::from_millis(20 * tries)).await;
        dialled = seller.post("dial", json!({"peer": buyer.did})).await?;
        if text(&dialled, "connected") == "we dialled" {
            break;
        }
    }
    teller.tell(
        "offer",
        text(&dialled, "connected") == "we dialled",
        seller.name,
        "the other way round: the provider dialled out (as from behind a firewall) and proposes the deal itself",
        "이번에는 반대로: 제공자가 (방화벽 안에서처럼) 먼저 연결하고 먼저 제안",
        dialled,
    );
    let out = dir.join("merlion-files-2");
    buyer
        .post(
            "expect",
            json!({"peer": "hangang", "out": out, "purpose": "quality_analysis", "countries": ["SG"]}),
        )
        .await?;
    let asked = seller.post("offer", proposal(&buyer.did, dataset, None)).await?;
    let id = text(&asked, "id").to_owned();
    follow(teller, seller, buyer, &id, &dir.join("hangang-files"), &out).await?;
    Ok(id)
}

async fn export(
    teller: &mut Teller,
    seller: &Actor,
    buyer: &Actor,
    dir: &Path,
) -> Result<Vec<PathBuf>, Failure> {
    let mut logs = Vec::new();
    for actor in [seller, buyer] {
        let out = dir.join(format!("{}-log", actor.name));
        let made = actor.post("export", json!({"out": out})).await?;
        let (size, origin) = (number(&made, "size"), text(&made, "origin").to_owned());
        teller.tell(
            "log",
            size > 0,
            actor.name,
            &format!("{size} entries under one signed checkpoint of {origin}, exported as static files"),
            &format!("{origin} 의 서명된 체크포인트 아래 항목 {size}개를 정적 파일로 내보냄"),
            made,
        );
        logs.push(out);
    }
    Ok(logs)
}

fn judge(
    teller: &mut Teller,
    logs: &[PathBuf],
    anchors: &Path,
    dir: &Path,
    deals: &Deals,
) -> Result<(), Failure> {
    let trust = Anchors::read(anchors)?;
    let mut auditor = audit::Auditor::default();
    let report = auditor.verify(logs, &trust)?;
    let (proved, all) = report.tally();
    teller.tell(
        "audit",
        report.holds(),
        "",
        &format!(
            "from files alone, against {}: {proved} of {all} claims proved, every decision executed again",
            anchors.display()
        ),
        &format!(
            "파일만으로 {} 에 비추어 검증: 주장 {all}개 중 {proved}개 증명, 모든 판정을 다시 실행",
            anchors.display()
        ),
        json!({"claims": all, "proved": proved}),
    );
    for id in [&deals.refused, &deals.concluded, &deals.dialling] {
        let verdict = report.verdict_of(id);
        let word = verdict.unwrap_or("missing").to_owned();
        teller.tell(
            "audit",
            verdict.is_some(),
            "",
            &format!("exchange {id}: {word}"),
            &format!("거래 {id}: {word}"),
            json!({"exchange": id, "verdict": word}),
        );
    }
    let broken = dir.join("hangang-log-broken");
    stage::copy_and_break(&logs[0], &broken, Path::new(&report.partial(0)))
        .map_err(|e| Failure::new(Code::FileUnusable, format!("{}: {e}", broken.display())))?;
    let noticed = auditor.verify(&[broken, logs[1].clone()], &trust);
    let reason = match &noticed {
        Ok(report) => report.first_failure().unwrap_or_default(),
        Err(failure) => failure.message.clone(),
    };
    let held = noticed.is_ok_and(|report| !report.holds());
    teller.tell(
        "audit",
        held,
        "",
        &format!("one bit flipped in a copy, and verification says: {reason}"),
        &format!("사본의 비트 하나를 바꾸자 검증이 알아챔: {reason}"),
        json!({"noticed": held, "reason": reason}),
    );
    Ok(())
}

fn farewell(args: &Demo, teller: &Teller, dir: &Path) {
    let d = dir.display();
    let (en, ko) = if args.keep {
        (
            format!(
                "both nodes keep running; stop each: naru stop --dir {d}/hangang, naru stop --dir {d}/merlion"
            ),
            format!(
                "두 노드는 계속 돌고 있습니다. 멈추려면: naru stop --dir {d}/hangang, naru stop --dir {d}/merlion"
            ),
        )
    } else {
        ("both nodes are stopped".to_owned(), "두 노드는 멈췄습니다".to_owned())
    };
    let look = format!("naru exchanges --dir {d}/hangang");
    // A node that runs already is not started a second time.
    let (run_en, run_ko) = if args.keep {
        (look.clone(), look)
    } else {
        let run = format!("naru run --dir {d}/hangang");
        (format!("{run}   and, beside it,   {look}"), format!("{run} 을 켜고 옆에서   {look}"))
    };
    let verify = format!("naru audit verify {d}/hangang-log {d}/merlion-log --trust {d}/trust/anchors.toml");
    teller.say(
        &format!(
            "\nEverything lies in {d} ({en}):\n  hangang/ merlion/           the nodes: keys, database, node.log\n  merlion-files/              \
             what arrived\n  hangang-log/ merlion-log/   the exported logs\n  trust/anchors.toml          what the auditor brings\n\nTry next:\n  \
             {verify}\n  change a byte of any file under {d}/merlion-log and verify again\n  {run_en}"
        ),
        &format!(
            "\n모든 것이 {d} 에 있습니다 ({ko}):\n  hangang/ merlion/           두 노드: 키, 데이터베이스, node.log\n  merlion-files/              \
             받은 파일\n  hangang-log/ merlion-log/   내보낸 기록\n  trust/anchors.toml          감사인이 가져오는 신뢰 기준\n\n다음에 해 볼 것:\n  \
             {verify}\n  {d}/merlion-log 아래 파일의 바이트 하나를 바꾸고 다시 검증\n  {run_ko}"
        ),
    );
}
