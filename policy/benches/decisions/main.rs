//! What a decision costs: the packs of a deal between Korea and Singapore and all packs, here as Wasm, in OPA and in regorus,
//! over the same inputs in one run.
//!
//! ```text
//! cargo bench -p naru-policy --bench decisions                # a minute or two, on a machine that does nothing else
//! cargo bench -p naru-policy --bench decisions -- --quick     # a tenth of it: to see that it works
//! ```
//!
//! A decision is one answer of every pack that applies, from the document to the merged result. OPA is asked twice over: by
//! `opa bench`, inside its own process without JSON, and as `opa run --server`, one server for each pack, over kept connections
//! of this machine. It cannot hold these packs in one process, since each has its own `data.pack`; so of OPA and of regorus the
//! packs' times are summed. `opa` is looked for on PATH, regorus as `.ci/regorus` builds it (its path in NARU_REGORUS); whoever is
//! missing is said to be. Nothing is asserted about time; that the three say the same is `.ci/engines`'s affair.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod others;

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use naru_policy::{Bundle, Engine, assemble, bundled};
use serde_json::Value;

/// The document of one ordinary deal at its transfer, as exporter: the input that all are measured with.
const CASE: &str = "transfer, exporter";

/// Quantiles of one engine, microseconds.
pub(crate) struct Figures {
    name: String,
    p50: f64,
    p99: f64,
    rate: f64,
}

impl Figures {
    pub(crate) fn of(name: &str, mut took: Vec<f64>) -> Self {
        took.sort_by(f64::total_cmp);
        let at = |share: usize| took[(took.len() - 1) * share / 100];
        let rate = took.len() as f64 / took.iter().sum::<f64>() * 1e6;
        Self { name: name.to_owned(), p50: at(50), p99: at(99), rate }
    }

    fn print(&self, best: f64) {
        let Self { name, p50, p99, rate } = self;
        println!("{name:54} | {p50:9.1} | {p99:9.1} | {rate:9.0} | {:6.2} x", p50 / best);
    }
}

fn us(began: Instant) -> f64 {
    began.elapsed().as_secs_f64() * 1e6
}

fn inputs(engine: &Engine) -> Vec<(String, Value)> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../spec/vectors/policy/ordinary.json");
    let file: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let input = |case: &Value| {
        let input = assemble(engine.packs(), &case["shared"], &case["private"], &case["host"]).unwrap();
        (case["name"].as_str().unwrap().to_owned(), input)
    };
    file["cases"].as_array().unwrap().iter().map(input).collect()
}

/// One thread, one decision after the other.
fn ours(name: &str, engine: &Engine, inputs: &[&Value], times: usize) -> Figures {
    let warm = Instant::now();
    while warm.elapsed() < Duration::from_millis(300) {
        black_box(engine.evaluate(inputs[0]));
    }
    let one = |at: usize| {
        let began = Instant::now();
        black_box(engine.evaluate(inputs[at % inputs.len()]));
        us(began)
    };
    Figures::of(name, (0..times).map(one).collect())
}

/// Decisions in a second with a thread for each core.
fn together(engine: &Engine, input: &Value, times: usize) -> f64 {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| (0..times).for_each(|_| drop(black_box(engine.evaluate(input)))));
        }
    });
    (cores * times) as f64 / began.elapsed().as_secs_f64()
}

fn main() {
    let times = if std::env::args().any(|arg| arg == "--quick") { 500 } else { 5000 };
    let bundles = bundled::PACKS.iter().map(|(_, bytes)| Bundle::load(bytes).unwrap());
    let all = Engine::new(bundles).unwrap();
    let rules: usize = all.packs().map(|pack| pack.rules.len()).sum();
    let deal = all.for_countries(&["KR", "SG"]);
    let inputs = inputs(&all);
    let every: Vec<&Value> = inputs.iter().map(|(_, input)| input).collect();
    let one = &inputs.iter().find(|(name, _)| name == CASE).unwrap().1;
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("{rules} rules in {} packs; load of the machine before: {}", all.packs().count(), load.trim());
    for (what, engine) in [("KR-SG", &deal), ("all", &all)] {
        let packs: Vec<&str> = engine.packs().map(|pack| pack.name.as_str()).collect();
        println!("\n{what}: {} ({CASE})", packs.join(" "));
        println!("{:54} |    p50 µs |    p99 µs | decisions/s | beside ours", "");
        let here = ours("naru, one thread", engine, &[one], times);
        let best = here.p50;
        here.print(best);
        ours("naru, one thread, every phase and side in turn", engine, &every, times).print(best);
        println!("{:54} | {:33.0}", "naru, a thread for each core", together(engine, one, times));
        for pack in engine.packs().filter(|pack| pack.name != "core") {
            if what == "all" {
                let alone = engine.only(&["core", &pack.name]).unwrap();
                ours(&format!("  core and {}", pack.name), &alone, &[one], times / 5).print(best);
            }
        }
        match others::regorus(&packs, one, times / 5) {
            Ok(figures) => figures.print(best),
            Err(missing) => println!("regorus: SKIPPED: {missing}"),
        }
        match others::opa(&packs, one, times / 5) {
            Ok(figures) => figures.iter().for_each(|found| found.print(best)),
            Err(missing) => println!("opa: SKIPPED: {missing}"),
        }
    }
}
