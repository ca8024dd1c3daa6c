//! `naru-second-engine PACK PACKS-DIR INPUTS`: every line of INPUTS, a JSON document, through the Rego of one pack; on standard
//! output one line for each: the result, or `null` where the entrypoint is undefined. It reads the sources and data files as
//! `policy/build.sh` gives them to OPA, without their tests, and compares nothing: `.ci/engines` does.

use std::{
    error::Error,
    fs,
    io::{BufRead, BufReader, BufWriter, Write},
    path::{Path, PathBuf},
    time::Instant,
};

use regorus::{Engine, Value};

type Fallible<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Fallible<()> {
    let mut arguments = std::env::args().skip(1).peekable();
    if arguments.next_if(|first| first == "--bench").is_some() {
        return bench(&arguments.collect::<Vec<_>>());
    }
    let mut next = |name: &str| arguments.next().ok_or(format!("missing: {name}"));
    let (pack, rego, inputs) = (next("PACK")?, PathBuf::from(next("PACKS-DIR")?), next("INPUTS")?);
    let mut engine = loaded(&pack, &rego)?;
    let rule = format!("data.naru.{pack}.result");
    let mut out = BufWriter::new(std::io::stdout().lock());
    for line in BufReader::new(fs::File::open(inputs)?).lines() {
        engine.set_input(Value::from_json_str(&line?)?);
        let said = match engine.eval_rule(rule.clone()) {
            Ok(Value::Undefined) => "null".to_owned(),
            Ok(value) => value.to_json_str()?,
            Err(_) => "\"error\"".to_owned(),
        };
        writeln!(out, "{}", said.replace('\n', " "))?;
    }
    Ok(())
}

/// `--bench PACKS-DIR INPUT TIMES PACK...`: one input through every pack, again and again, JSON in and out; on standard output a
/// list of microseconds, one number for each time that all were asked.
fn bench(arguments: &[String]) -> Fallible<()> {
    let [rego, input, times, packs @ ..] = arguments else { return Err("missing: PACKS-DIR INPUT TIMES PACK...".into()) };
    let input = fs::read_to_string(input)?;
    let mut engines = packs
        .iter()
        .map(|pack| Ok((loaded(pack, Path::new(rego))?, format!("data.naru.{pack}.result"))))
        .collect::<Fallible<Vec<_>>>()?;
    let times: usize = times.parse()?;
    let mut took = Vec::new();
    for round in 0..times + times / 5 {
        let began = Instant::now();
        for (engine, rule) in &mut engines {
            engine.set_input(Value::from_json_str(&input)?);
            let said = engine.eval_rule(rule.clone())?.to_json_str()?;
            std::hint::black_box(said);
        }
        if round >= times / 5 {
            took.push(began.elapsed().as_secs_f64() * 1e6);
        }
    }
    println!("{}", serde_json::to_string(&took)?);
    Ok(())
}

/// An engine with one pack.
fn loaded(pack: &str, rego: &Path) -> Fallible<Engine> {
    let mut engine = Engine::new();
    engine.set_rego_v0(false);
    let mut sources = vec!["lib", pack];
    if ["core", "dpa"].contains(&pack) {
        sources.push("agreements");
    }
    for source in sources {
        load(&mut engine, &rego.join(source), &[])?;
    }
    Ok(engine)
}

/// Loads a folder. A data file stands under the names of the folders that lead to it, as OPA has it.
fn load(engine: &mut Engine, folder: &Path, under: &[String]) -> Fallible<()> {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Fallible<_>>()?;
    entries.sort();
    for path in entries {
        let name = path.file_name().and_then(|name| name.to_str()).ok_or("a name that is no text")?.to_owned();
        if path.is_dir() {
            load(engine, &path, &[under, &[name]].concat())?;
        } else if name.ends_with(".json") {
            let mut data: serde_json::Value = serde_json::from_slice(&fs::read(&path)?)?;
            for name in under.iter().rev() {
                data = serde_json::json!({name: data});
            }
            engine.add_data(Value::from_json_str(&data.to_string())?)?;
        } else if name.ends_with(".rego") && !name.ends_with("_test.rego") {
            engine.add_policy(name, fs::read_to_string(&path)?)?;
        }
    }
    Ok(())
}
