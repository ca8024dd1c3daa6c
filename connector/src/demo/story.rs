//! What the demo publishes and declares: the example files, the terms, the facts and the made-up approval.
//!
//! All of it is made up for the demonstration, and the facts that stand for an authority's word say so.

use std::{collections::BTreeMap, fs, io, path::Path};

use serde_json::{Value, json};

/// The example files of `examples/ev-parts/data`, compiled in so that the demo needs nothing but the binary.
pub(super) const FILES: [(&str, &[u8]); 5] = [
    (
        "dyno/inverter-endurance.csv",
        include_bytes!("../../../examples/ev-parts/data/dyno/inverter-endurance.csv"),
    ),
    (
        "inspection/stator-weld-0417.png",
        include_bytes!("../../../examples/ev-parts/data/inspection/stator-weld-0417.png"),
    ),
    (
        "maintenance/press-line-3.txt",
        include_bytes!("../../../examples/ev-parts/data/maintenance/press-line-3.txt"),
    ),
    (
        "passport/battery-public.json",
        include_bytes!("../../../examples/ev-parts/data/passport/battery-public.json"),
    ),
    (
        "sound/spindle-motor-7.wav",
        include_bytes!("../../../examples/ev-parts/data/sound/spindle-motor-7.wav"),
    ),
];

/// Writes the example files under a folder, where the exporter's own systems would keep them.
pub(super) fn write_files(folder: &Path) -> io::Result<()> {
    for (name, bytes) in FILES {
        let path = folder.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, bytes)?;
    }
    Ok(())
}

/// The title in both languages.
#[must_use]
pub(super) fn title() -> BTreeMap<String, String> {
    [
        ("ko", "구동모터·인버터 시험 기록 (영상·수치·문서·음향)"),
        ("en", "Drive motor and inverter test records (images, numbers, text, sound)"),
    ]
    .map(|(k, v)| (k.to_owned(), v.to_owned()))
    .into()
}

/// What the other may do: use it for quality analysis, in Korea or Singapore, for a year; pass nothing on.
#[must_use]
pub(super) fn policy() -> Value {
    serde_json::from_str(include_str!("../../../examples/ev-parts/terms.json")).unwrap_or_default()
}

/// What the exporter declares about the data: national core technology, developed with state funds.
#[must_use]
pub(super) fn facts(now: u64) -> Value {
    let plain = include_str!("../../../examples/ev-parts/facts.json");
    let mut facts: Value = serde_json::from_str(plain).unwrap_or_default();
    facts["technology"]["nct"] = json!({"status": "nct", "state_funded": true, "determination": {"by": "motir", "at": now - 86_400 * 30}});
    facts["tech_families"] = json!(["xev-inverter"]);
    facts
}

/// The operator's own facts before the approval: the partner was screened, nothing stands against it.
#[must_use]
pub(super) fn screening(consumer: &str, now: u64) -> Value {
    json!({"approvals": [], "stop_orders": [], "screening": {consumer: {"hit": false, "screened_at": now - 3600}}, "red_flags": {}})
}

/// An approval that no authority gave: it stands for the one that the rule asks for.
#[must_use]
pub(super) fn approval(dataset: &str, consumer: &str, now: u64) -> Value {
    json!({
        "type": "nct_export_approval",
        "number": "DEMO-0001 (made up)",
        "issuer": "made up for the demonstration",
        "issued_at": now - 86_400,
        "expires_at": now + 86_400 * 365,
        "conditions": [],
        "scope": {"datasets": [dataset], "consumers": [consumer], "countries": ["SG"]},
    })
}
