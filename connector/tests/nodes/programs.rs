//! What commands print for programs is what `spec/commands.md` says of them: an object with the version of its shape, and no
//! member that does not stand there.

use std::{collections::BTreeSet, fs};

use naru::config::Folder;
use serde_json::{Value, json};

use crate::common::{Dials, Firm, Pair, harmless};

/// The rows of the table: what a command may print beside `v`, and whether it is in `items`.
struct Documented(Vec<(String, bool, BTreeSet<String>)>);

impl Documented {
    fn read() -> Self {
        let spec = concat!(env!("CARGO_MANIFEST_DIR"), "/../spec/");
        let text = fs::read_to_string(format!("{spec}commands.md")).unwrap();
        let api = fs::read_to_string(format!("{spec}schemas/management-openapi.json")).unwrap();
        let api: Value = serde_json::from_str(&api).unwrap();
        let ticked =
            |cell: &str| -> Vec<String> { cell.split('`').skip(1).step_by(2).map(str::to_owned).collect() };
        let rows = text.lines().filter(|line| line.starts_with("| `")).map(|line| {
            let cells: Vec<&str> = line.split('|').collect();
            let mut members = BTreeSet::new();
            for name in ticked(cells[3]) {
                if name.starts_with(char::is_uppercase) {
                    let of = members_of(&api, &name);
                    assert!(!of.is_empty(), "{name} is no schema");
                    members.extend(of);
                } else {
                    members.insert(name);
                }
            }
            (ticked(cells[1])[0].clone(), cells[2].trim().starts_with("list"), members)
        });
        Self(rows.collect())
    }

    /// Looks at what a command printed; gives the object, or the items of the list.
    fn holds(&self, command: &str, said: &str) -> Value {
        let (_, list, members) = self.0.iter().find(|(name, ..)| name == command).unwrap();
        let line = said.lines().last().unwrap_or_else(|| panic!("{command} printed nothing"));
        let mut said: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{command}: {e}: {line}"));
        assert_eq!(said["v"], json!(1), "{command}: {line}");
        said.as_object_mut().unwrap().remove("v");
        // `queue` has items and more; a few commands print a list only where they are asked to.
        let items = said.get("items").filter(|_| !members.contains("items")).cloned();
        if items.is_some() || *list && !members.contains("facts") {
            assert_eq!(said.as_object().unwrap().keys().collect::<Vec<_>>(), ["items"], "{command}: {line}");
        }
        let each = items.clone().unwrap_or_else(|| json!([said]));
        for one in each.as_array().unwrap() {
            for name in one.as_object().unwrap().keys() {
                assert!(members.contains(name), "{command}: {name} is not in spec/commands.md: {line}");
            }
        }
        items.unwrap_or(said)
    }
}

/// Names of the members of a schema, of each form that it may have.
fn members_of(api: &Value, name: &str) -> Vec<String> {
    fn of(schema: &Value, found: &mut Vec<String>) {
        found.extend(schema["properties"].as_object().into_iter().flatten().map(|(name, _)| name.clone()));
        for form in ["oneOf", "anyOf", "allOf"].iter().filter_map(|way| schema[way].as_array()).flatten() {
            of(form, found);
        }
    }
    let mut found = Vec::new();
    of(&api["components"]["schemas"][name], &mut found);
    found
}

/// Runs a command, with `--dir` where it speaks of a firm's folder; its standard output.
async fn run(firm: Option<&Firm>, words: &[&str]) -> String {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_naru"));
    command.args(words).arg("--json").env_remove("NARU_DIR").env_remove("NARU_BY");
    if let Some(firm) = firm {
        command.arg("--dir").arg(&firm.dir);
    }
    let done = command.stdin(std::process::Stdio::null()).output().await.unwrap();
    let error = String::from_utf8_lossy(&done.stderr).into_owned();
    // What was asked and is not so is a result too.
    assert!(done.status.success() || !done.stdout.is_empty(), "{words:?}: {error}");
    String::from_utf8(done.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_commands_print_for_programs_is_what_is_documented() {
    let documented = Documented::read();
    let pair = Pair::new(Dials::Buyer, harmless()).await;
    let (stop, _) = tokio::sync::watch::channel(false);
    for firm in [&pair.seller, &pair.buyer] {
        naru::control::serve(firm.node().clone(), &Folder::new(&firm.dir), stop.clone()).await.unwrap();
    }
    let (seller, buyer) = (Some(&pair.seller), Some(&pair.buyer));
    let path = |name: &str| pair.temp.join(name).to_str().unwrap().to_owned();
    let look = async |command: &str, firm, more: &[&str]| {
        let words: Vec<&str> = command.split(' ').chain(more.iter().copied()).collect();
        documented.holds(command, &run(firm, &words).await)
    };

    let files = path("more");
    fs::create_dir(&files).unwrap();
    fs::write(path("more/a.csv"), "second,temperature\n1,20\n").unwrap();
    let declared = ["--title", "t", "--terms", "research-only", "--declare", "sensor-series"];
    let made = look("publish", seller, &[&[files.as_str()], &declared[..]].concat()).await;
    let offered = look("catalog", buyer, &[&pair.seller.did]).await;
    let found = offered.as_array().unwrap().iter().find(|item| item["dataset"] == made["dataset"]).unwrap();
    let reference = found["ref"].as_str().unwrap();
    let got = look("get", buyer, &[reference, "--purpose", "research", "--out", &path("in"), "--yes"]).await;
    assert_eq!(got["state"], json!("COMPLETED"));
    for (side, other) in [(seller, &pair.buyer.did), (buyer, &pair.seller.did)] {
        for command in ["status", "peers", "exchanges", "agreements", "obligations", "queue", "log"] {
            look(command, side, &[]).await;
        }
        for list in ["peers", "exchanges", "agreements"] {
            assert!(!look(list, side, &[]).await.as_array().unwrap().is_empty(), "{list}");
        }
        look("explain", side, &[other, made["dataset"].as_str().unwrap()]).await;
        look("dial", side, &[other]).await;
    }
    assert_eq!(look("datasets", seller, &[]).await.as_array().unwrap().len(), 2);
    for command in
        ["ticket", "config show", "config check", "check", "keys show", "packs list", "data list", "token"]
    {
        look(command, seller, if command == "token" { &["--list"] } else { &[] }).await;
    }
    let token = look("token", seller, &["--scope", "read", "--label", "x"]).await;
    look("token", seller, &["--list"]).await;
    look("token", seller, &["--revoke", token["id"].as_str().unwrap()]).await;
    look("packs show", seller, &["kr"]).await;
    look("log export", seller, &["--out", &path("log")]).await;
    look("audit export", seller, &["--out", &path("a.zip")]).await;
    look("backup", seller, &["--out", &path("a.backup")]).await;
    let dataset = made["dataset"].as_str().unwrap();
    look("unpublish", seller, &[dataset]).await;
    look("distrust", seller, &[&pair.buyer.did, "--reason", "a drill", "--yes"]).await;
    let _ = stop.send(true);

    let anchors = path("anchors.toml");
    let anchor = |did: &str| {
        format!("version = 1\n[[participant]]\ndid = \"{did}\"\nname = \"n\"\ncountry = \"KR\"\n")
    };
    fs::write(&anchors, anchor(&pair.seller.did)).unwrap();
    look("audit verify", None, &[&path("a.zip"), "--trust", &anchors]).await;
    look("restore", None, &[&path("a.backup"), "--dir", &path("restored")]).await;
    look("init", None, &["--dir", &path("new"), "--name", "n", "--country", "KR"]).await;
    look("man", None, &["--out", &path("man")]).await;
    for more in [&[][..], &["research-only"], &["--facts"]] {
        look("templates", None, more).await;
    }
    look("policy rules", None, &["--date", "2026-12-01"]).await;
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_questions_of_authors_print_for_programs_is_what_is_documented() {
    let documented = Documented::read();
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../spec/vectors/policy/ordinary.json");
    let ordinary: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    let temp = crate::common::Temp::new();
    let facts = temp.join("facts.json");
    let mut members = serde_json::Map::new();
    for part in ["shared", "private", "host"] {
        members.extend(ordinary["cases"][0][part].as_object().unwrap().clone());
    }
    fs::write(&facts, Value::from(members).to_string()).unwrap();
    let offer = temp.join("offer.json");
    fs::write(&offer, json!({"permission": [{"action": "use"}]}).to_string()).unwrap();
    let at = ["--phase", "negotiation", "--side", "exporter", "--at", "1795424400"];
    let asked = [&["--facts", facts.to_str().unwrap()][..], &at].concat();
    for (command, more) in [
        ("policy eval", &[][..]),
        ("policy odrl", &["--policy", offer.to_str().unwrap()]),
        ("policy authorities", &[]),
    ] {
        let words: Vec<&str> =
            command.split(' ').chain(asked.iter().copied()).chain(more.iter().copied()).collect();
        documented.holds(command, &run(None, &words).await);
    }
}
