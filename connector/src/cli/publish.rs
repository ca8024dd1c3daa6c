//! `naru publish` and `naru templates`: terms and facts from templates, files and single `--fact`s, put together here; what rules
//! would still ask for is the node's answer.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    time::Duration,
};

use naru_protocol::error::{Code, Lang};
use serde_json::{Value, json};

use super::{
    absolute,
    args::Dir,
    bar::Bar,
    found,
    lang::{lang, pick},
    policy::authorities,
    print, questions, read_json, show, watch,
};
use crate::{
    control::{self, Failure},
    node::{facts::CLAUSES, verbs::Approval},
    remedies,
    templates::{self, Kind, Template, vocabulary},
};

#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Examples:
  naru publish --dir A ./measurements --title \"Press line 3\" --terms research-only --declare sensor-series
  naru publish --dir A ./measurements --title \"Press line 3\" --ask      # eleven questions instead
  naru publish --dir A ./images --title \"Welds\" --terms quality-analysis --country KR --country SG --keep-days 90 \\
       --declare production-images --fact rights.basis=co_generator --fact rights.co_agreement_forbids=false
  naru publish --dir A ./data --title Data --terms ./terms.json --declare ./facts.json
  naru publish --dir A ./data --version-of DATASET        # the next version, with title, terms and facts as before
  naru publish --dir A ./out --title \"Line 3\" --terms research-only --declare sensor-series --copy --watch

A version never changes, and agreements keep the one that they are about. Files are served from where they lie, so one that
changes is refused from then on; --copy keeps a copy in the node's folder instead, which --watch wants as a rule.

What you declare is signed in the listing as your own word. Without it facts stay unknown, and no deal comes about until they
are supplied; `publish` then prints which. `naru templates` lists the templates.

The files are looked through for numbers of persons, addresses, vehicles and positions; what is found is shown by its shape, never
as it stands. What could not be read is unknown. Where checked numbers of persons are found in data declared to have none,
nothing is published, unless with --despite-findings, which the listing then says.")]
pub(super) struct Publish {
    #[command(flatten)]
    pub(super) at: Dir,
    /// The folder or file; it stays where it is.
    pub(super) path: PathBuf,
    /// A title.
    #[arg(long, required_unless_present = "version_of")]
    pub(super) title: Option<String>,
    /// What the other may do: a template, or a file with an ODRL offer (JSON; with a `/` or `.` in its name).
    #[arg(long, value_name = "NAME|FILE", required_unless_present_any = ["version_of", "ask"])]
    pub(super) terms: Option<String>,
    /// Limit the terms to these countries; without it a deal is bound to those that the partner states.
    #[arg(long, requires = "terms")]
    pub(super) country: Vec<String>,
    /// Have the data deleted after that many days, whatever the terms say.
    #[arg(long, requires = "terms")]
    pub(super) keep_days: Option<u32>,
    /// Bind the consumer to this clause, as often as needed: nda, access_control, confidential_marking, return_or_delete (trade
    /// secrets), safety_measures, complaint_and_dispute, other_protection, comparable_protection (personal data), regulator_access.
    #[arg(long, requires = "terms", value_name = "CLAUSE", value_parser = clap::builder::PossibleValuesParser::new(CLAUSES))]
    pub(super) clause: Vec<String>,
    /// What the data are: a template, or a file with facts (JSON; with a `/` or `.` in its name).
    #[arg(long, value_name = "NAME|FILE")]
    pub(super) declare: Option<String>,
    /// Ask, in at most eleven questions, what the data are and what the other may do; nothing is signed before it was shown.
    #[arg(long, conflicts_with_all = ["declare", "watch"])]
    pub(super) ask: bool,
    /// One more fact, such as `rights.basis=recipient`: a dotted path, and a text or JSON.
    #[arg(long, value_name = "KEY=VALUE")]
    pub(super) fact: Vec<String>,
    /// Who decides about requests that the rules allow: `auto`, the rules alone, or `ask`, a person (`naru queue`).
    /// `auto` unless a version before says otherwise.
    #[arg(long, value_enum)]
    pub(super) approval: Option<Approval>,
    /// Publish the next version of this dataset. What is not given is as in the version before; facts are given whole.
    #[arg(long, value_name = "DATASET")]
    pub(super) version_of: Option<String>,
    /// Keep a copy of the files in the node's folder and serve that: later changes of the files do not matter.
    #[arg(long)]
    pub(super) copy: bool,
    /// Publish although files hold what the declaration denies; the listing says so (`scan.despite`).
    #[arg(long)]
    pub(super) despite_findings: bool,
    /// Stay, and publish a version whenever the files have changed and settled; until Ctrl-C.
    #[arg(long)]
    pub(super) watch: bool,
    /// Seconds without a change after which files have settled.
    #[arg(long, value_name = "SECONDS", default_value_t = 10, requires = "watch")]
    pub(super) settle: u64,
}

#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Examples:
  naru templates
  naru templates research-only          # the JSON, as a start for a file of your own
  naru templates --facts                # what --fact understands")]
pub(super) struct Templates {
    /// Print this one.
    name: Option<String>,
    /// List what `publish --fact` understands instead.
    #[arg(long, conflicts_with = "name")]
    facts: bool,
}

fn invalid(why: impl Into<String>) -> Failure {
    Failure::new(Code::ArgumentInvalid, why)
}

/// A template by its name, or the document of a file.
pub(super) fn named(kind: Kind, given: &str) -> Result<Value, Failure> {
    if let Some(template) = templates::find(kind, given) {
        return Ok(template.value());
    }
    if given.contains(['/', '.', '\\']) {
        return read_json(given.as_ref());
    }
    let names: Vec<&str> = templates::ALL.iter().filter(|t| t.kind == kind).map(|t| t.name).collect();
    let (kind, names) = (kind.as_str(), names.join(", "));
    let (why, hint) = match lang() {
        Lang::En => (
            format!("no template of {kind} is named {given:?}"),
            format!("Templates of {kind} are {names}. A file is named with its path: ./{given}"),
        ),
        Lang::Ko => (
            format!("{kind} 서식 가운데 {given:?} 는 없습니다"),
            format!("{kind} 서식은 {names} 입니다. 파일은 경로로 적습니다: ./{given}"),
        ),
    };
    Err(invalid(why).hint(hint))
}

/// Terms with what the command line changes in them.
fn terms(args: &Publish) -> Result<Value, Failure> {
    // The node takes those of the version before.
    let Some(given) = &args.terms else { return Ok(Value::Null) };
    let mut terms = named(Kind::Terms, given)?;
    if !args.country.is_empty() {
        templates::limit_countries(&mut terms, &args.country);
    }
    if let Some(days) = args.keep_days {
        templates::limit_days(&mut terms, days);
    }
    if !args.clause.is_empty() {
        templates::bind(&mut terms, &args.clause);
    }
    Ok(terms)
}

/// Facts about a plain partner's data: none, or a template or a file.
pub(super) fn declared(given: Option<&str>) -> Result<Option<Value>, Failure> {
    given.map(|given| named(Kind::Facts, given)).transpose()
}

/// Facts as declared: nothing, a template or a file, then one by one.
fn facts(declare: Option<&str>, more: &[String]) -> Result<Value, Failure> {
    let facts = declare.map_or_else(|| Ok(json!({})), |given| named(Kind::Facts, given))?;
    if !facts.is_object() {
        return Err(invalid(pick("what is declared is no JSON object", "선언한 것이 JSON 객체가 아닙니다")));
    }
    with(facts, more)
}

/// Facts with others, one by one.
fn with(mut facts: Value, more: &[String]) -> Result<Value, Failure> {
    for fact in more {
        let hint = pick(
            "`naru templates --facts` lists what can be declared.",
            "선언할 수 있는 것은 `naru templates --facts` 로 봅니다.",
        );
        templates::set(&mut facts, fact).map_err(|e| invalid(format!("--fact {e}")).hint(hint))?;
    }
    Ok(facts)
}

pub(super) async fn publish(args: Publish, json: bool) -> Result<bool, Failure> {
    let path = absolute(&args.path)?;
    let answers = match args.ask {
        true => Some(questions::ask(&found::look(&path).await?, args.terms.is_some(), lang())?),
        false => None,
    };
    let declared = args.version_of.is_none() || args.declare.is_some() || !args.fact.is_empty();
    let facts = match &answers {
        Some(answers) => with(answers.facts.clone(), &args.fact)?,
        None if declared => facts(args.declare.as_deref(), &args.fact)?,
        None => Value::Null,
    };
    let terms = match answers.as_ref().map(questions::terms).transpose()?.flatten() {
        Some(terms) => terms,
        None => terms(&args)?,
    };
    let title = args.title.as_ref().map_or_else(|| json!({}), |title| json!({"en": title}));
    let request = json!({
        "path": path, "title": title, "policy": terms, "facts": facts, "approval": args.approval,
        "copy": args.copy, "version_of": args.version_of,
    });
    let dir = args.at.dir.as_path();
    if !args.watch {
        return one(dir, request, args.despite_findings, json).await.map(|_| true);
    }
    let settle = Duration::from_secs(args.settle);
    watch::run(&path, settle, json, args.version_of, async |dataset| {
        let mut request = request.clone();
        request["version_of"] = json!(dataset);
        one(dir, request, args.despite_findings, json).await
    })
    .await
}

/// Publishes once and says what was found and what came of it.
async fn one(dir: &Path, mut request: Value, despite: bool, json: bool) -> Result<Value, Failure> {
    let scanned = found::look(Path::new(request["path"].as_str().unwrap_or_default())).await?;
    if !json {
        print!("{}", found::text(&scanned));
    }
    found::hold(&mut request["facts"], &scanned, despite)?;
    let mut made = hashed(dir, &request, json).await?;
    made["scan"] = json!(scanned);
    if made["unchanged"] == true {
        if json {
            print::json(made.clone());
        } else {
            let (same, stays) =
                (pick("nothing has changed", "바뀐 것이 없습니다"), pick("stays", "그대로입니다"));
            println!("{same}: {} {} {stays}", show::plain(&made["dataset"]), made["version"]);
        }
        return Ok(made);
    }
    // It is published; rules that cannot be asked do not undo that.
    let dataset = json!({"dataset": made["dataset"]});
    let said = control::call(dir, "advice", Some(&dataset)).await.unwrap_or_default();
    if json {
        made["wanted"] = said["wanted"].clone();
        made["refusals"] = said["refusals"].clone();
        print::json(made.clone());
    } else {
        print!("{}{}", show::text(&made), advice(said.get("wanted"), said.get("refusals"), lang()));
    }
    Ok(made)
}

/// Has it published; on a terminal, tells how far the files are hashed meanwhile.
async fn hashed(dir: &Path, request: &Value, json: bool) -> Result<Value, Failure> {
    let mut bar = Bar::new(json);
    let publishing = control::call(dir, "publish", Some(request));
    tokio::pin!(publishing);
    let made = loop {
        tokio::select! {
            made = &mut publishing => break made,
            () = tokio::time::sleep(Duration::from_millis(250)), if bar.is_shown() => {}
        }
        // What is only looked at may fail.
        let all = control::call(dir, "publishing", None).await.unwrap_or_default();
        let mut all = all.as_array().into_iter().flatten();
        if let Some(seen) = all.find(|seen| seen["path"] == request["path"]) {
            let number = |name: &str| seen[name].as_u64();
            let what =
                format!("{} ({} {})", pick("hashed", "해시 계산됨"), seen["files"], pick("files", "개 파일"));
            bar.show(&what, number("hashed").unwrap_or_default(), number("bytes"));
        }
    };
    bar.end();
    made
}

/// What rules would ask for, and how it is supplied.
fn advice(wanted: Option<&Value>, refusals: Option<&Value>, lang: Lang) -> String {
    let mut out = String::new();
    let Some(wanted) = wanted.and_then(Value::as_array) else {
        let unknown = lang.pick(
            "the rules could not be asked what they would want: `naru status` says why",
            "규칙이 무엇을 요구하는지 알 수 없었습니다. 까닭은 `naru status` 로 봅니다",
        );
        return format!("{unknown}\n");
    };
    let word = |value: &Value, name: &str| value[name].as_str().unwrap_or_default().to_owned();
    let known = vocabulary();
    if !wanted.is_empty() {
        let missing = lang.pick(
            "rules want facts that are not declared; until they are, no deal comes about:",
            "규칙이 요구하지만 선언하지 않은 사실이 있습니다. 선언하기 전에는 거래가 이루어지지 않습니다:",
        );
        let _ = writeln!(out, "{missing}");
    }
    for fact in wanted {
        let path = word(fact, "fact");
        let rules: Vec<&str> =
            fact["rules"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let own = path.strip_prefix("dataset.").or_else(|| path.strip_prefix("transfer."));
        let how = match own.and_then(|path| Some((path, known.get(path)?))) {
            Some((path, fact)) => format!("--fact {path}=…: {}", fact.wanted(lang)),
            None => remedies::supplied(&format!("/{}", path.replace('.', "/")), lang).to_owned(),
        };
        let _ = writeln!(out, "  {path} ({}): {how}", rules.join(", "));
    }
    if !wanted.is_empty() {
        out.push_str(lang.pick(
            "supply them with a next version (--version-of), with a template (`naru templates`), a file or --fact;\n\
             `naru unpublish` takes this one out of the catalog\n",
            "다음 판(--version-of)에서 서식(`naru templates`), 파일 또는 --fact 로 선언하세요.\n\
             `naru unpublish` 는 이 판을 목록에서 내립니다\n",
        ));
    }
    for rule in refusals.and_then(Value::as_array).into_iter().flatten() {
        let own = lang.pick("en", "ko");
        let of =
            |name: &str| rule.pointer(&format!("/{own}/{name}")).and_then(Value::as_str).unwrap_or_default();
        let (id, law, reason) = (word(rule, "id"), of("law"), of("reason"));
        let detail = word(rule, "detail");
        let id = if detail.is_empty() { id } else { format!("{id} ({detail})") };
        let _ = match lang {
            Lang::En => writeln!(out, "as things are, {id} lets no deal through: {law}: {reason}"),
            Lang::Ko => writeln!(out, "지금으로서는 {id} 때문에 거래할 수 없습니다: {law}: {reason}"),
        };
        let _ = writeln!(out, "    {}: {}", lang.pick("remedy", "조치"), of("remedy"));
    }
    out.push_str(&whom(wanted, refusals, lang));
    out
}

/// Whom to ask for what the rules want that something is missing for, or that let no deal through.
fn whom(wanted: &[Value], refusals: Option<&Value>, lang: Lang) -> String {
    let missing = wanted.iter().flat_map(|fact| fact["rules"].as_array().into_iter().flatten());
    let refusing = refusals.and_then(Value::as_array).into_iter().flatten().map(|rule| &rule["id"]);
    let rules = missing.chain(refusing).filter_map(|id| id.as_str().map(str::to_owned)).collect();
    let list = authorities::of_rules(&rules, lang);
    if list.is_empty() {
        return list;
    }
    let title = lang.pick(
        "whom to ask, should these rules apply (`naru policy authorities` says what this rests on):",
        "이 규칙이 해당하는 경우 문의할 기관 (근거는 `naru policy authorities`):",
    );
    format!("{title}\n{list}")
}

/// Lists templates, prints one, or lists the facts.
pub(super) fn list(args: &Templates, json: bool) -> Result<bool, Failure> {
    if args.facts {
        let known = vocabulary();
        if json {
            let members = known
                .iter()
                .map(|(path, fact)| (path.clone(), json!({"type": fact.kind, "values": fact.values})));
            print::json(json!({"facts": members.collect::<serde_json::Map<_, _>>()}));
        } else {
            known.iter().for_each(|(path, fact)| println!("{path}: {}", fact.wanted(lang())));
        }
        return Ok(true);
    }
    let Some(name) = &args.name else {
        match json {
            true => print::json(templates::ALL.iter().map(Template::described).collect()),
            false => print!("{}", table(lang())),
        }
        return Ok(true);
    };
    let found = templates::ALL.iter().find(|template| template.name == name.as_str());
    let found = found.ok_or_else(|| {
        let why = match lang() {
            Lang::En => format!("no template is named {name:?}"),
            Lang::Ko => format!("{name:?} 라는 서식은 없습니다"),
        };
        invalid(why).hint(pick("`naru templates` lists them.", "`naru templates` 로 목록을 봅니다."))
    })?;
    match json {
        true => print::json(found.described()),
        false => print!("{}", found.text),
    }
    Ok(true)
}

fn table(lang: Lang) -> String {
    let mut out = String::new();
    let terms = lang.pick("what the other may do", "상대가 할 수 있는 것");
    let facts = lang.pick("what the data are, on your word", "데이터가 무엇인지, 스스로 밝히는 것");
    for (kind, what, option) in [(Kind::Terms, terms, "terms"), (Kind::Facts, facts, "declare")] {
        let _ = writeln!(out, "{what}: naru publish --{option} NAME");
        for template in templates::ALL.iter().filter(|template| template.kind == kind) {
            let _ = writeln!(out, "  {:<18} {}", template.name, lang.pick(template.en, template.ko));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_template_and_a_path_is_a_file() {
        assert_eq!(named(Kind::Terms, "research-only").unwrap()["permission"][0]["action"], "use");
        let wrong = named(Kind::Terms, "sensor-series").unwrap_err();
        assert_eq!(wrong.code, "argument_invalid");
        assert!(wrong.hint.unwrap().contains("research-only"));
        assert_eq!(named(Kind::Facts, "./no-such-file").unwrap_err().code, "file_unusable");
        let path = std::env::temp_dir().join(format!("naru-declare-{}.json", std::process::id()));
        std::fs::write(&path, "[]").unwrap();
        let given = path.to_str().unwrap();
        assert_eq!(facts(Some(given), &[]).unwrap_err().code, "argument_invalid");
        std::fs::write(&path, "{\"sector\": \"x\"}").unwrap();
        let all = facts(Some(given), &["trade_secret=true".to_owned()]).unwrap();
        assert_eq!(all, json!({"sector": "x", "trade_secret": true}));
        std::fs::remove_file(&path).unwrap();
        assert_eq!(facts(None, &[]).unwrap(), json!({}));
        let unknown = facts(Some("sensor-series"), &["colour=red".to_owned()]).unwrap_err();
        assert!(unknown.message.contains("colour") && unknown.hint.is_some());
    }

    #[test]
    fn what_is_missing_is_told_with_how_to_supply_it() {
        let wanted = json!([
            {"fact": "dataset.rights.basis", "rules": ["KR-IDX-001"], "kind": "string", "values": []},
            {"fact": "consumer.role", "rules": ["SG-PDPA-001"], "kind": "string", "values": []},
            {"fact": "transfer.legal_basis.kind", "rules": ["KR-PIPA-001"], "kind": "string", "values": []}]);
        let en = json!({"law": "Act 1", "reason": "No.", "remedy": "Ask."});
        let ko = json!({"law": "법 1", "reason": "안 됩니다.", "remedy": "물으십시오."});
        let refusals = json!([{"id": "X-1", "en": en, "ko": ko}]);
        let text = advice(Some(&wanted), Some(&refusals), Lang::En);
        assert!(text.contains("--fact rights.basis=…: one of generator, co_generator, recipient"), "{text}");
        let ground = "transfer.legal_basis.kind (KR-PIPA-001): --fact legal_basis.kind=…: one of adequacy";
        assert!(text.contains(ground), "{text}");
        assert!(text.contains("consumer.role (SG-PDPA-001): the consumer states it: `[about]`"), "{text}");
        let approval = json!([{"fact": "dataset.technology.nct.status", "rules": ["KR-ITA-001"]}]);
        let asks = advice(Some(&approval), None, Lang::En);
        assert!(asks.contains("whom to ask") && asks.contains("answers within 45 days"), "{asks}");
        assert!(text.contains("X-1 lets no deal through: Act 1: No.\n    remedy: Ask."), "{text}");
        let text = advice(Some(&wanted), Some(&refusals), Lang::Ko);
        assert!(text.contains("다음 중 하나: generator, co_generator, recipient"), "{text}");
        assert!(text.contains("법 1: 안 됩니다.\n    조치: 물으십시오.") && !text.contains("deal"), "{text}");
        for lang in [Lang::En, Lang::Ko] {
            assert_eq!(advice(Some(&json!([])), None, lang), "");
            assert!(advice(Some(&Value::Null), None, lang).contains("`naru status`"));
            assert!(table(lang).contains("research-only") && table(lang).contains("machine-sound"));
        }
    }
}
