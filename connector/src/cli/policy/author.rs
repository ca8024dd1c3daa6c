//! `naru policy test`, `build` and `coverage`: for authors of overlays (spec chapter 05, POL-16). One folder is one pack, with the
//! frame of every pack (`policy/rego/lib`) beside it, as `policy/build.sh` builds ours.
//!
//! The program `opa` compiles and tests; it is never fetched. Everything is copied into a folder of its own first, so that the bytes
//! of a bundle do not depend on where the sources lie. Not here: what a node does with a bundle.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use naru_policy::{bundled, limits};
use naru_protocol::error::{Code, Lang};
use serde_json::{Value, json};

use super::{Build, Folder, ask, replay};
use crate::{cli::lang::lang, control::Failure};

/// What lib says once more in a run of tests for coverage: which rules were asked, and which of them spoke.
const TOLD: &str = r#"
	print("naru-coverage", json.marshal({
		"asked": [id | some id, _ in here.mine; mine(id)],
		"spoke": [f.id | some f in (ours(found.deny) | ours(found.undetermined)) | ours(found.obligations)],
	}))
"#;
/// The last line of the body in which it is said.
const PLACE: &str = "some pointer in gaps}\n}\n";

/// A copy of the sources, and the program that reads them. Its folder is removed with it.
struct Workshop {
    folder: PathBuf,
    name: String,
    revision: String,
    opa: PathBuf,
}

impl Drop for Workshop {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn unusable(path: &Path, why: &dyn std::fmt::Display) -> Failure {
    Failure::new(Code::FileUnusable, format!("{}: {why}", path.display()))
}

impl Workshop {
    fn open(dir: &Path) -> Result<Self, Failure> {
        let pack = ask::read(&dir.join("data.json"))?;
        let of = |member: &str| pack["pack"][member].as_str().unwrap_or_default().to_owned();
        let (name, revision) = (of("name"), of("revision"));
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        if name.is_empty() || name.len() > 32 || !name.bytes().all(plain) || revision.is_empty() {
            let why = "pack.name ([a-z0-9_], at most 32) and pack.revision are wanted";
            return Err(unusable(&dir.join("data.json"), &why));
        }
        if name == "lib" || bundled::PACKS.iter().any(|(own, _)| *own == name) {
            let why = format!("pack.name: {name} is the name of a pack of law");
            return Err(unusable(&dir.join("data.json"), &why));
        }
        let opa = opa()?;
        let id = crate::config::random::<8>().map_err(|e| Failure::new(Code::Internal, e.to_string()))?;
        let folder = std::env::temp_dir().join(format!("naru-overlay-{:016x}", u64::from_be_bytes(id)));
        let workshop = Self { folder, name, revision, opa };
        let lib = workshop.folder.join("lib");
        fs::create_dir_all(&lib).map_err(|e| unusable(&lib, &e))?;
        for (file, text) in bundled::LIB {
            fs::write(lib.join(file), text).map_err(|e| unusable(&lib, &e))?;
        }
        let mut left = limits::MEMBERS;
        copy(dir, &workshop.folder.join(&workshop.name), &mut left, 8)?;
        Ok(workshop)
    }

    /// What the frame draws up of the pack's descriptions, so that it is not done again at each evaluation.
    fn draw(&self) -> Result<(), Failure> {
        let query = ["eval", "--format", "raw", "--ignore", "*_test.rego", "data.naru.lib.drawn"];
        let mut command = Command::new(&self.opa);
        command.args(query).args(["--data", "lib", "--data", &self.name]).current_dir(&self.folder);
        let drawn = command.output().map_err(|e| unusable(&self.opa, &e))?;
        let plan = serde_json::from_slice::<Value>(&drawn.stdout).map_err(|_| refused("eval", &drawn))?;
        let path = self.folder.join(&self.name).join("pack");
        fs::create_dir_all(&path).map_err(|e| unusable(&path, &e))?;
        let path = path.join("plan.json");
        fs::write(&path, json!({"plan": plan}).to_string()).map_err(|e| unusable(&path, &e))
    }

    fn run(&self, arguments: &[&str]) -> Result<Output, Failure> {
        let mut command = Command::new(&self.opa);
        command.args(arguments).args(["lib", &self.name]).current_dir(&self.folder);
        command.output().map_err(|e| unusable(&self.opa, &e))
    }

    /// The rules that the pack describes.
    fn rules(&self) -> Result<BTreeSet<String>, Failure> {
        let folder = self.folder.join(&self.name).join("pack").join("rules");
        let mut ids = BTreeSet::new();
        for entry in fs::read_dir(&folder).map_err(|e| unusable(&folder, &e))? {
            let path = entry.map_err(|e| unusable(&folder, &e))?.path();
            if path.extension() == Some(OsStr::new("json")) {
                ids.extend(ask::read(&path)?.as_object().into_iter().flatten().map(|(id, _)| id.clone()));
            }
        }
        Ok(ids)
    }
}

/// Copies what `opa` reads: sources and data, no links.
fn copy(from: &Path, to: &Path, left: &mut usize, depth: usize) -> Result<(), Failure> {
    fs::create_dir_all(to).map_err(|e| unusable(to, &e))?;
    let mut entries: Vec<_> =
        fs::read_dir(from).and_then(Iterator::collect::<Result<_, _>>).map_err(|e| unusable(from, &e))?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().map_err(|e| unusable(&path, &e))?;
        let wanted = path.extension().is_some_and(|end| end == "rego" || end == "json");
        if kind.is_dir() && depth > 0 {
            copy(&path, &to, left, depth - 1)?;
        } else if kind.is_file() && wanted {
            *left = left.checked_sub(1).ok_or_else(|| unusable(from, &"too many files"))?;
            let text = fs::read_to_string(&path).map_err(|e| unusable(&path, &e))?;
            let negation = text.lines().any(|line| line == "import future.keywords.not");
            if path.extension() == Some(OsStr::new("rego")) && !negation {
                let why = "without `import future.keywords.not` an undefined operand makes a line undefined, and a denial silent";
                return Err(unusable(&path, &why));
            }
            fs::write(&to, text).map_err(|e| unusable(&to, &e))?;
        }
    }
    Ok(())
}

/// The program, of the version that packs are built with.
fn opa() -> Result<PathBuf, Failure> {
    let named = std::env::var_os("OPA").filter(|path| !path.is_empty()).map(PathBuf::from);
    let program = named.unwrap_or_else(|| PathBuf::from("opa"));
    let how = format!("go install github.com/open-policy-agent/opa@v{}", bundled::OPA);
    let (hint_en, hint_ko) = (
        format!("Install it with `{how}` or from its releases, and put it on PATH or name it in OPA."),
        format!("`{how}` 또는 배포판으로 설치한 뒤 PATH 에 두거나 OPA 에 경로를 적으세요."),
    );
    let hint = match lang() {
        Lang::En => hint_en,
        Lang::Ko => hint_ko,
    };
    let lacking = |why: String| {
        Failure::new(Code::FileUnusable, format!("{}: {why}", program.display())).hint(hint.clone())
    };
    let said = Command::new(&program).arg("version").output();
    let said = said.map_err(|e| lacking(format!("opa {} is needed: {e}", bundled::OPA)))?;
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let version = said.lines().find_map(|line| line.strip_prefix("Version: ")).unwrap_or("none").trim();
    if version == bundled::OPA {
        Ok(program)
    } else {
        Err(lacking(format!("opa {} is needed, this is {version}", bundled::OPA)))
    }
}

/// What `opa` said, without the folder that it said it of.
fn refused(what: &str, output: &Output) -> Failure {
    let said = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).trim().to_owned());
    let said: Vec<String> = said.into_iter().filter(|text| !text.is_empty()).collect();
    Failure::new(Code::ArgumentInvalid, format!("opa {what}: {}", said.join("\n")))
}

/// Checks and tests; gives what `opa` said of each test.
pub(super) fn test(args: &Folder) -> Result<Value, Failure> {
    let workshop = Workshop::open(&args.dir)?;
    let checked = workshop.run(&["check", "--strict"])?;
    if !checked.status.success() {
        return Err(refused("check", &checked));
    }
    let tested = workshop.run(&["test", "--format", "json", "--fail-on-empty", "--timeout", "120s"])?;
    let tests = tests(&tested)?;
    let failed = tests.iter().filter(|test| test["fail"] == true || test.get("error").is_some()).count();
    let told: Vec<Value> = tests
        .iter()
        .map(|test| json!({"name": test["name"], "holds": test["fail"] != true && test.get("error").is_none()}))
        .collect();
    Ok(json!({"v": 1, "pack": workshop.name, "tests": told, "all": tests.len(), "failed": failed}))
}

fn tests(output: &Output) -> Result<Vec<Value>, Failure> {
    match serde_json::from_slice(&output.stdout) {
        Ok(Value::Array(tests)) if !tests.is_empty() => Ok(tests),
        Ok(_) | Err(_) => Err(refused("test", output)),
    }
}

/// Compiles to Wasm, passes the gate, sees that it fits beside the law as an overlay, and writes the bundle.
pub(super) fn build(args: &Build) -> Result<Value, Failure> {
    let workshop = Workshop::open(&args.dir)?;
    workshop.draw()?;
    let entrypoint = format!("naru/{}/result", workshop.name);
    let built = workshop.run(&[
        "build",
        "--target",
        "wasm",
        "--entrypoint",
        &entrypoint,
        "--revision",
        &workshop.revision,
        "--ignore",
        "*_test.rego",
        "--output",
        "bundle.tar.gz",
    ])?;
    if !built.status.success() {
        return Err(refused("build", &built));
    }
    let made = workshop.folder.join("bundle.tar.gz");
    let bundle = replay::load(&made)?;
    let pack = bundle.pack().reference();
    ask::packs()?
        .with_overlays(vec![bundle])
        .map_err(|e| Failure::new(Code::BundleMalformed, e.to_string()))?;
    let bytes = fs::read(&made).map_err(|e| unusable(&made, &e))?;
    fs::write(&args.out, &bytes).map_err(|e| unusable(&args.out, &e))?;
    Ok(json!({
        "v": 1, "pack": pack.name, "revision": pack.revision, "digest": pack.digest, "bytes": bytes.len(), "out": args.out,
    }))
}

/// Which rules the tests never saw speak (deny, leave open, oblige), and which they never saw asked and silent.
pub(super) fn coverage(args: &Folder) -> Result<Value, Failure> {
    let workshop = Workshop::open(&args.dir)?;
    let gate = workshop.folder.join("lib").join("gate.rego");
    let text = fs::read_to_string(&gate).map_err(|e| unusable(&gate, &e))?;
    let told = text.replacen(PLACE, &format!("some pointer in gaps}}{TOLD}}}\n"), 1);
    if told == text {
        return Err(Failure::new(Code::Internal, "the frame has no place for coverage"));
    }
    fs::write(&gate, told).map_err(|e| unusable(&gate, &e))?;
    let tested = workshop.run(&["test", "-v", "--format", "json", "--fail-on-empty", "--timeout", "120s"])?;
    let (mut spoke, mut silent) = (BTreeSet::new(), BTreeSet::new());
    for test in tests(&tested)? {
        for line in printed(&test) {
            let ids = |member: &str| -> BTreeSet<String> {
                let ids = line[member].as_array().into_iter().flatten();
                ids.filter_map(Value::as_str).map(str::to_owned).collect()
            };
            let (asked, said) = (ids("asked"), ids("spoke"));
            silent.extend(asked.difference(&said).cloned());
            spoke.extend(said);
        }
    }
    let rules = workshop.rules()?;
    let without = |seen: &BTreeSet<String>| rules.difference(seen).cloned().collect::<Vec<_>>();
    let (never_denied, never_allowed) = (without(&spoke), without(&silent));
    Ok(json!({
        "v": 1, "pack": workshop.name, "rules": rules.len(), "never_denied": never_denied, "never_allowed": never_allowed,
    }))
}

/// What a test printed for coverage: `opa` gives it in base64.
fn printed(test: &Value) -> Vec<Value> {
    use base64ct::{Base64, Encoding as _};
    let bytes = test["output"].as_str().and_then(|text| Base64::decode_vec(text).ok()).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    text.lines().filter_map(|line| serde_json::from_str(line.split_once("naru-coverage ")?.1).ok()).collect()
}

/// For people.
pub(super) fn text(said: &Value, lang: Lang) -> String {
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut out = String::new();
    for test in said["tests"].as_array().into_iter().flatten() {
        out.push_str(&format!("{} {}\n", if test["holds"] == true { '✓' } else { '✗' }, word(&test["name"])));
    }
    if said["digest"].is_string() {
        out.push_str(&format!(
            "{} {}\n{}\n",
            word(&said["pack"]),
            word(&said["revision"]),
            word(&said["digest"])
        ));
    }
    for (member, title) in [
        ("never_denied", lang.pick("never seen to deny or oblige", "거부하거나 의무를 지운 시험이 없음")),
        ("never_allowed", lang.pick("never seen to allow", "허용한 시험이 없음")),
    ] {
        for id in said[member].as_array().into_iter().flatten() {
            out.push_str(&format!("{title}: {}\n", word(id)));
        }
    }
    if said["rules"].is_u64() {
        out.push_str(&match lang {
            Lang::En => format!("{} rules\n", said["rules"]),
            Lang::Ko => format!("규칙 {}개\n", said["rules"]),
        });
    }
    out
}

/// Whether what was asked for holds: all tests do, and each rule was seen both ways.
pub(super) fn holds(said: &Value) -> bool {
    let none = |member: &str| said[member].as_array().is_none_or(Vec::is_empty);
    said["failed"].as_u64().unwrap_or_default() == 0 && none("never_denied") && none("never_allowed")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn house() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/overlay/house")
    }

    /// POL-16.4: the example is tested, covered and built into the committed bytes; without `opa` it is said how to get it.
    #[test]
    fn an_overlay_is_tested_covered_and_built() {
        let args = Folder { dir: house() };
        if let Err(failure) = opa() {
            let told = test(&args).unwrap_err();
            assert_eq!((told.code.as_str(), &told.hint), ("file_unusable", &failure.hint));
            assert!(told.hint.unwrap().contains("go install"));
            return;
        }
        let tested = test(&args).unwrap();
        assert_eq!((&tested["all"], &tested["failed"]), (&json!(2), &json!(0)), "{tested}");
        let covered = coverage(&args).unwrap();
        assert!(holds(&covered) && covered["rules"] == 1, "{covered}");
        let out = std::env::temp_dir().join(format!("naru-house-{}.tar.gz", std::process::id()));
        let built = build(&Build { dir: house(), out: out.clone() }).unwrap();
        let bytes = fs::read(&out).unwrap();
        fs::remove_file(&out).unwrap();
        assert!(
            bytes == include_bytes!("../../../../examples/overlay/house.tar.gz"),
            "examples/overlay/house.tar.gz is older than its sources"
        );
        assert!(text(&built, Lang::Ko).contains(built["digest"].as_str().unwrap()));
        // Without the test of a denial, coverage says so.
        let dir = std::env::temp_dir().join(format!("naru-house-{}", std::process::id()));
        copy(&house(), &dir, &mut 100, 4).unwrap();
        let tests = fs::read_to_string(dir.join("house_test.rego")).unwrap();
        fs::write(dir.join("house_test.rego"), tests.replace("deal(\"marketing\")", "deal(\"research\")"))
            .unwrap();
        let covered = coverage(&Folder { dir: dir.clone() }).unwrap();
        let failing = test(&Folder { dir: dir.clone() }).unwrap();
        assert_eq!((&covered["never_denied"], holds(&covered)), (&json!(["HOUSE-001"]), false));
        assert!(failing["failed"] == 1 && !holds(&failing), "{failing}");
        // The name of a pack of law is taken, and the `not` that drops denials is refused.
        let data = fs::read_to_string(dir.join("data.json")).unwrap();
        fs::write(dir.join("data.json"), data.replace("\"house\"", "\"core\"")).unwrap();
        assert_eq!(build(&Build { dir: dir.clone(), out: out.clone() }).unwrap_err().code, "file_unusable");
        fs::write(dir.join("data.json"), data).unwrap();
        fs::write(dir.join("house.rego"), "package naru.house\n").unwrap();
        assert!(test(&Folder { dir: dir.clone() }).unwrap_err().message.contains("future.keywords.not"));
        fs::remove_dir_all(&dir).unwrap();
    }
}
