//! `naru config example`: `naru.toml` with every setting, written from the docs of the structs that it is read into.

use std::fmt::Write as _;

use super::{
    TABLES,
    documented::{Documented as _, Field, Table, Unsaid},
    layers,
};

/// The head of the file.
const HEAD: &str = "\
# naru.toml: the settings of one node, made by `naru init` in the node's folder.
# Printed by `naru config example` from the program's own documentation; `naru config check` says whether a file can be used.
# A flag of `naru run` goes over the environment, the environment over this file, this file over the default.
";

/// The whole file. Tables that a node may do without are commented out.
#[must_use]
pub fn example() -> String {
    let mut out = HEAD.to_owned();
    for field in super::Config::FIELDS {
        setting(&mut out, None, field);
    }
    for table in TABLES {
        out.push('\n');
        lines(&mut out, table.doc);
        let mark = mark(table);
        if table.optional {
            out.push_str("# Optional: take the `#` away from the lines below to have it.\n");
        }
        let _ = writeln!(out, "{mark}[{}]", table.name);
        for field in table.fields {
            setting(&mut out, Some(table), field);
        }
    }
    out
}

const fn mark(table: &Table) -> &'static str {
    if table.optional { "#" } else { "" }
}

fn lines(out: &mut String, doc: &[&str]) {
    for line in doc {
        let _ = writeln!(out, "#{line}");
    }
}

fn setting(out: &mut String, table: Option<&Table>, field: &Field) {
    out.push('\n');
    lines(out, field.doc);
    let default = match field.unsaid {
        Unsaid::Required => "Required.".to_owned(),
        Unsaid::Example => format!("Default: {}.", field.example),
        Unsaid::Absent => "May be left out.".to_owned(),
    };
    let over = match layers::variable(table, field) {
        Some(name) => format!(" Overridden by: {name}."),
        None => " In the file only.".to_owned(),
    };
    let _ = writeln!(out, "# {default}{over}");
    let _ = writeln!(out, "{}{} = {}", table.map_or("", mark), field.name, field.example);
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Flags, resolve};

    #[test]
    fn the_example_file_is_current_and_can_be_used_whole() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/naru.toml");
        if std::env::var_os("NARU_WRITE_EXAMPLES").is_some() {
            std::fs::write(path, example()).unwrap();
        }
        assert!(
            std::fs::read_to_string(path).unwrap() == example(),
            "examples/naru.toml is not what `naru config example` prints: NARU_WRITE_EXAMPLES=1 writes it"
        );
        let without = resolve(Path::new("x"), &example(), &Flags::default(), |_| None).unwrap();
        let of = &without.config;
        assert!(of.https.is_none() && of.approval.is_none() && of.management.is_none());
        assert!(of.publish.is_none() && of.telemetry.is_none() && of.policy.is_none());
        // With the optional tables too: comment marks that are followed by no space are taken away.
        let with: String = example()
            .lines()
            .map(|line| line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).unwrap_or(line))
            .flat_map(|line| [line, "\n"])
            .collect();
        let all = resolve(Path::new("x"), &with, &Flags::default(), |_| None).unwrap();
        let of = &all.config;
        assert!(of.https.is_some() && of.approval.is_some() && of.management.is_some());
        assert!(of.publish.is_some() && of.telemetry.is_some() && of.policy.is_some());
        assert_eq!(all.settings.len(), layers::fields().count());
    }
}
