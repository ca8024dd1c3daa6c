//! `ask INPUTS`: every line of a file, an input document, through the committed packs as Wasm; on standard output one line for
//! each: the result, or `null` where the evaluation broke. For `.ci/engines`, which asks other engines the same.

use std::{
    error::Error,
    fs,
    io::{BufRead, BufReader, BufWriter, Write},
};

use naru_policy::{Bundle, Engine, Evaluation, bundled};

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("missing: INPUTS")?;
    let bundles =
        bundled::PACKS.iter().map(|(_, bytes)| Bundle::load(bytes)).collect::<Result<Vec<_>, _>>()?;
    let engine = Engine::new(bundles)?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    for line in BufReader::new(fs::File::open(path)?).lines() {
        match engine.evaluate(&serde_json::from_str(&line?)?) {
            Evaluation::Decided(result) => out.write_all(&result.canonical())?,
            Evaluation::Broken { .. } => out.write_all(b"null")?,
        }
        out.write_all(b"\n")?;
    }
    Ok(())
}
