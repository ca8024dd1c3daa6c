//! `naru publish` and `naru templates`: terms and facts from templates, files and single `--fact`s, put together here; what rules
//! would still ask for is the node's answer.

use std::{fmt::Write as _, path::PathBuf};

use naru_protocol::error::Code;
use serde_json::{Value, json};

use super::{absolute, args::Dir, read_json, show};
use crate::{
    control::{self, Failure},
    node::verbs::Approval,
    templates::{self, Kind, Template, vocabulary},
};

#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Examples:
  naru publish --dir A ./measurements --title \"Press line 3\" --terms research-only --declare sensor-series
  naru publish --dir A ./images --title \"Welds\" --terms quality-analysis --country KR --country SG --keep-days 90 \\
       --declare production-images --fact rights.basis=co_generator --fact rights.co_agreement_forbids=false
  naru publish --dir A ./data --title Data --terms ./terms.json --declare ./facts.json

What you declare is signed in the listing as your own word. Without it facts stay unknown, and no deal comes about until they
are supplied; `publish` then prints which. `naru templates` lists the templates.")]
pub(super) struct Publish {
    #[command(flatten)]
    pub(super) at: Dir,
    /// The folder or file; it stays where it is.
    pub(super) path: PathBuf,
    /// A title.
    #[arg(long)]
    pub(super) title: String,
    /// What the other may do: a template, or a file with an ODRL offer (JSON; with a `/` or `.` in its name).
    #[arg(long, value_name = "NAME|FILE")]
    pub(super) terms: String,
    /// Limit the terms to these countries; without it a deal is bound to those that the partner states.
    #[arg(long)]
    pub(super) country: Vec<String>,
    /// Have the data deleted after that many days, whatever the terms say.
    #[arg(long)]
    pub(super) keep_days: Option<u32>,
    /// What the data are: a template, or a file with facts (JSON; with a `/` or `.` in its name).
    #[arg(long, value_name = "NAME|FILE")]
    pub(super) declare: Option<String>,
    /// One more fact, such as `rights.basis=recipient`: a dotted path, and a text or JSON.
    #[arg(long, value_name = "KEY=VALUE")]
    pub(super) fact: Vec<String>,
    /// Who decides about requests that the rules allow: `auto`, the rules alone, or `ask`, a person (`naru queue`).
    #[arg(long, value_enum, default_value_t)]
    pub(super) approval: Approval,
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
    let hint = format!(
        "Templates of {} are {}. A file is named with its path: ./{given}",
        kind.as_str(),
        names.join(", ")
    );
    Err(invalid(format!("no template of {} is named {given:?}", kind.as_str())).hint(hint))
}

/// Terms with what the command line changes in them.
fn terms(args: &Publish) -> Result<Value, Failure> {
    let mut terms = named(Kind::Terms, &args.terms)?;
    if !args.country.is_empty() {
        templates::limit_countries(&mut terms, &args.country);
    }
    if let Some(days) = args.keep_days {
        templates::limit_days(&mut terms, days);
    }
    Ok(terms)
}

/// Facts as declared: nothing, a template or a file, then one by one.
fn facts(declare: Option<&str>, more: &[String]) -> Result<Value, Failure> {
    let mut facts = declare.map_or_else(|| Ok(json!({})), |given| named(Kind::Facts, given))?;
    if !facts.is_object() {
        return Err(invalid("what is declared is no JSON object"));
    }
    for fact in more {
        let hint = "`naru templates --facts` lists what can be declared.";
        templates::set(&mut facts, fact).map_err(|e| invalid(format!("--fact {e}")).hint(hint))?;
    }
    Ok(facts)
}

pub(super) async fn publish(args: Publish, json: bool) -> Result<bool, Failure> {
    let request = json!({
        "path": absolute(&args.path)?,
        "title": {"en": args.title},
        "policy": terms(&args)?,
        "facts": facts(args.declare.as_deref(), &args.fact)?,
        "approval": args.approval,
    });
    let mut made = control::call(&args.at.dir, "publish", Some(&request)).await?;
    // It is published; rules that cannot be asked do not undo that.
    let dataset = json!({"dataset": made["dataset"]});
    let said = control::call(&args.at.dir, "advice", Some(&dataset)).await.unwrap_or_default();
    if json {
        made["wanted"] = said["wanted"].clone();
        made["refusals"] = said["refusals"].clone();
        println!("{made}");
    } else {
        print!("{}{}", show::text(&made), advice(said.get("wanted"), said.get("refusals")));
    }
    Ok(true)
}

/// What rules would ask for, and how it is supplied.
fn advice(wanted: Option<&Value>, refusals: Option<&Value>) -> String {
    let mut out = String::new();
    let Some(wanted) = wanted.and_then(Value::as_array) else {
        return "the rules could not be asked what they would want: `naru status` says why\n".to_owned();
    };
    let word = |value: &Value, name: &str| value[name].as_str().unwrap_or_default().to_owned();
    let known = vocabulary();
    if !wanted.is_empty() {
        out.push_str("rules want facts that are not declared; until they are, no deal comes about:\n");
    }
    for fact in wanted {
        let path = word(fact, "fact");
        let rules: Vec<&str> =
            fact["rules"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let how = match path.strip_prefix("dataset.").and_then(|path| Some((path, known.get(path)?))) {
            Some((path, fact)) => format!("--fact {path}=…: {}", fact.wanted()),
            None => "no declaration states it".to_owned(),
        };
        let _ = writeln!(out, "  {path} ({}): {how}", rules.join(", "));
    }
    if !wanted.is_empty() {
        out.push_str(
            "supply them by publishing again, with a template (`naru templates`), a file or --fact;\n\
             `naru withdraw` takes this one out of the catalog\n",
        );
    }
    for rule in refusals.and_then(Value::as_array).into_iter().flatten() {
        let of =
            |name: &str| rule.pointer(&format!("/en/{name}")).and_then(Value::as_str).unwrap_or_default();
        let _ = writeln!(
            out,
            "as things are, {} lets no deal through: {}: {}",
            word(rule, "id"),
            of("law"),
            of("reason")
        );
        let _ = writeln!(out, "    remedy: {}", of("remedy"));
    }
    out
}

/// Lists templates, prints one, or lists the facts.
pub(super) fn list(args: &Templates, json: bool) -> Result<bool, Failure> {
    if args.facts {
        let known = vocabulary();
        if json {
            let members = known
                .iter()
                .map(|(path, fact)| (path.clone(), json!({"type": fact.kind, "values": fact.values})));
            println!("{}", Value::Object(members.collect()));
        } else {
            known.iter().for_each(|(path, fact)| println!("{path}: {}", fact.wanted()));
        }
        return Ok(true);
    }
    let Some(name) = &args.name else {
        match json {
            true => println!("{}", Value::Array(templates::ALL.iter().map(Template::described).collect())),
            false => print!("{}", table()),
        }
        return Ok(true);
    };
    let found = templates::ALL.iter().find(|template| template.name == name.as_str());
    let found = found.ok_or_else(|| {
        invalid(format!("no template is named {name:?}")).hint("`naru templates` lists them.")
    })?;
    match json {
        true => println!("{}", found.described()),
        false => print!("{}", found.text),
    }
    Ok(true)
}

fn table() -> String {
    let mut out = String::new();
    for (kind, what) in [
        (Kind::Terms, "what the other may do: naru publish --terms NAME"),
        (Kind::Facts, "what the data are, on your word: naru publish --declare NAME"),
    ] {
        let _ = writeln!(out, "{what}");
        for template in templates::ALL.iter().filter(|template| template.kind == kind) {
            let _ = writeln!(out, "  {:<18} {}", template.name, template.en);
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
            {"fact": "transfer.legal_basis.kind", "rules": ["KR-PIPA-001"], "kind": "string", "values": []}]);
        let en = json!({"law": "Act 1", "reason": "No.", "remedy": "Ask."});
        let text = advice(Some(&wanted), Some(&json!([{"id": "X-1", "en": en}])));
        assert!(text.contains("--fact rights.basis=…: one of generator, co_generator, recipient"), "{text}");
        assert!(text.contains("transfer.legal_basis.kind (KR-PIPA-001): no declaration states it"), "{text}");
        assert!(text.contains("X-1 lets no deal through: Act 1: No.\n    remedy: Ask."), "{text}");
        assert_eq!(advice(Some(&json!([])), None), "");
        assert!(advice(Some(&Value::Null), None).contains("could not be asked"));
        assert!(table().contains("research-only") && table().contains("machine-sound"));
    }
}
