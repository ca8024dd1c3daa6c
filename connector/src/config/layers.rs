//! Where each setting comes from: a flag of the command, else the environment, else `naru.toml`, else its default.
//!
//! What a key is called and what it is for stands at the structs ([`super::documented`]). Settings of the first table are what
//! `init` signed or counts by, and only the file has them; those of the others may be given by `NARU_<TABLE>_<KEY>`, and
//! the addresses by flags of `naru run`. Reads no certificate and opens no port.

use std::{fmt, path::Path};

use serde::Deserialize as _;
use toml::{Value, de::DeTable};

use super::{
    Config, ConfigError,
    documented::{Documented as _, Field, Table, Unsaid},
};

/// Version of the form of the file that this program reads.
pub(super) const VERSION: i64 = 1;

/// What a command line says over everything else, by key, such as `listen.port`.
#[derive(Debug, Clone, Default)]
pub struct Flags(pub Vec<(&'static str, &'static str, String)>);

/// Who said what a setting is.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Source {
    /// A flag.
    Flag {
        /// As it is written.
        name: String,
    },
    /// The environment.
    Env {
        /// Name of the variable.
        name: String,
    },
    /// A line of `naru.toml`.
    File {
        /// The line, from 1.
        line: usize,
    },
    /// Nobody said otherwise.
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag { name } => write!(f, "flag {name}"),
            Self::Env { name } => write!(f, "environment {name}"),
            Self::File { line } => write!(f, "naru.toml line {line}"),
            Self::Default => f.write_str("default"),
        }
    }
}

/// One setting as it holds.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Setting {
    /// Its key, such as `listen.port`.
    pub key: String,
    /// Its value.
    pub value: Value,
    /// Who said so.
    pub source: Source,
}

/// The settings that a node would run with, and where each comes from.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// What the node reads.
    pub config: Config,
    /// One by one, in the order of the example.
    pub settings: Vec<Setting>,
}

/// The environment variable of a setting; none for what only the file has.
#[must_use]
pub fn variable(table: Option<&Table>, field: &Field) -> Option<String> {
    table.map(|table| format!("NARU_{}_{}", table.name.to_uppercase(), field.name.to_uppercase()))
}

/// All settings, those of the first table first.
pub fn fields() -> impl Iterator<Item = (Option<&'static Table>, &'static Field)> {
    let first = Config::FIELDS.iter().map(|field| (None, field));
    first.chain(super::TABLES.iter().flat_map(|table| table.fields.iter().map(move |f| (Some(table), f))))
}

fn key_of(table: Option<&Table>, field: &Field) -> String {
    table.map_or_else(|| field.name.to_owned(), |table| format!("{}.{}", table.name, field.name))
}

/// Puts the layers over one another. `env` looks a variable up.
pub fn resolve(
    path: &Path,
    text: &str,
    flags: &Flags,
    env: impl Fn(&str) -> Option<String>,
) -> Result<Resolved, ConfigError> {
    let wrong = |reason: String| ConfigError::Toml { path: path.to_owned(), reason };
    let file = in_file(text).map_err(wrong)?;
    version(path, &file)?;
    let mut settings: Vec<Setting> = Vec::new();
    for (table, field) in fields() {
        let key = key_of(table, field);
        let flag = flags.0.iter().find(|(of, ..)| *of == key);
        let from_env =
            || variable(table, field).and_then(|name| env(&name).map(|text| (text, Source::Env { name })));
        let said = flag
            .map(|(_, name, text)| (text.clone(), Source::Flag { name: (*name).to_owned() }))
            .or_else(from_env);
        let setting = match said {
            Some((text, source)) => {
                let value = typed(field, &text).map_err(|why| wrong(format!("{key} ({source}): {why}")))?;
                Some(Setting { key, value, source })
            }
            None => file.iter().find(|setting| setting.key == key).cloned(),
        };
        settings.extend(setting);
    }
    let with_defaults = defaults(settings).map_err(wrong)?;
    let config = Config::deserialize(assembled(&with_defaults)).map_err(|e| wrong(e.message().to_owned()))?;
    config.check()?;
    Ok(Resolved { config, settings: with_defaults })
}

/// A value given as text, of the type that the example has.
fn typed(field: &Field, text: &str) -> Result<Value, String> {
    match literal(field.example) {
        Some(Value::Integer(_)) => {
            text.parse().map(Value::Integer).map_err(|_| format!("{text:?} is not a whole number"))
        }
        Some(Value::Boolean(_)) => {
            text.parse().map(Value::Boolean).map_err(|_| format!("{text:?} is neither true nor false"))
        }
        Some(Value::Array(_)) => literal(text)
            .filter(Value::is_array)
            .ok_or_else(|| format!("{text:?} is no list, such as {}", field.example)),
        Some(Value::String(_) | Value::Float(_) | Value::Datetime(_) | Value::Table(_)) | None => {
            Ok(Value::String(text.to_owned()))
        }
    }
}

/// A TOML value by itself.
fn literal(text: &str) -> Option<Value> {
    let table: toml::Table = toml::from_str(&format!("x = {text}")).ok()?;
    table.get("x").cloned()
}

/// Adds what nobody said and has a default, and names what nobody said and has none. Tables that a node may do without have
/// neither unless something of them is said.
fn defaults(said: Vec<Setting>) -> Result<Vec<Setting>, String> {
    let mut all = Vec::new();
    for (table, field) in fields() {
        let key = key_of(table, field);
        let within = |table: &Table| said.iter().any(|s| s.key.starts_with(&format!("{}.", table.name)));
        if let Some(setting) = said.iter().find(|setting| setting.key == key) {
            all.push(setting.clone());
        } else if table.is_some_and(|table| table.optional && !within(table))
            || field.unsaid == Unsaid::Absent
        {
        } else if let Some(value) = literal(field.example).filter(|_| field.unsaid == Unsaid::Example) {
            all.push(Setting { key, value, source: Source::Default });
        } else {
            let variable = variable(table, field).map(|name| format!(" or {name}")).unwrap_or_default();
            return Err(format!("{key} is missing: set it in naru.toml{variable}"));
        }
    }
    Ok(all)
}

fn assembled(settings: &[Setting]) -> toml::Table {
    let mut root = toml::Table::new();
    for setting in settings {
        match setting.key.split_once('.') {
            None => drop(root.insert(setting.key.clone(), setting.value.clone())),
            Some((table, name)) => {
                let inner = root.entry(table.to_owned()).or_insert_with(|| Value::Table(toml::Table::new()));
                if let Value::Table(inner) = inner {
                    inner.insert(name.to_owned(), setting.value.clone());
                }
            }
        }
    }
    root
}

/// A folder that another version of this program made is refused before anything of it is judged.
fn version(path: &Path, file: &[Setting]) -> Result<(), ConfigError> {
    let found = file.iter().find(|setting| setting.key == "version").and_then(|s| s.value.as_integer());
    match found {
        Some(found) if found != VERSION => {
            Err(ConfigError::Version { path: path.to_owned(), found, reads: VERSION })
        }
        Some(_) | None => Ok(()),
    }
}

/// The settings of the file with their lines; a key that is none is refused with the one that it resembles.
fn in_file(text: &str) -> Result<Vec<Setting>, String> {
    let line = |at: usize| text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1;
    let parsed = DeTable::parse(text).map_err(|e| e.to_string())?;
    let values: toml::Table = toml::from_str(text).map_err(|e| e.to_string())?;
    let mut settings = Vec::new();
    for (name, value) in parsed.get_ref() {
        let at = line(name.span().start);
        let plain = values.get(name.get_ref().as_ref());
        let table = super::TABLES.iter().find(|table| table.name == name.get_ref().as_ref());
        let (Some(table), Some(inner)) = (table, value.get_ref().as_table()) else {
            settings.push(known(name.get_ref(), plain, at, table)?);
            continue;
        };
        for (key, _) in inner {
            let value = plain.and_then(|plain| plain.get(key.get_ref().as_ref()));
            settings.push(known(
                &format!("{}.{}", table.name, key.get_ref()),
                value,
                line(key.span().start),
                None,
            )?);
        }
    }
    Ok(settings)
}

fn known(key: &str, value: Option<&Value>, line: usize, table: Option<&Table>) -> Result<Setting, String> {
    if table.is_some() {
        return Err(format!("line {line}: {key} is a table: write [{key}] and its keys below"));
    }
    let all: Vec<String> = fields().map(|(table, field)| key_of(table, field)).collect();
    let (true, Some(value)) = (all.iter().any(|known| known == key), value) else {
        let tables = super::TABLES.iter().map(|table| table.name.to_owned());
        let near = nearest(key, all.iter().cloned().chain(tables));
        let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        return Err(format!("line {line}: unknown key `{key}`{hint}"));
    };
    Ok(Setting { key: key.to_owned(), value: value.clone(), source: Source::File { line } })
}

/// The name that a misspelt one resembles, if one does: by the whole of it, or by what stands behind its table.
fn nearest(wrong: &str, names: impl Iterator<Item = String>) -> Option<String> {
    let last = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
    let rated = names.map(|name| {
        let whole = distance(wrong, &name);
        let part = distance(&last(wrong), &last(&name)) + 1;
        (whole.min(part), name)
    });
    let near = rated.min()?;
    (near.0 <= 2.max(last(wrong).chars().count() / 3)).then_some(near.1)
}

/// How many letters have to be put in, taken out or changed (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = i;
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
        for (j, to) in b.iter().enumerate() {
            let (left, up) =
                (row.get(j).copied().unwrap_or_default(), row.get(j + 1).copied().unwrap_or_default());
            let here = (diagonal + usize::from(from != *to)).min(left + 1).min(up + 1);
            diagonal = up;
            if let Some(cell) = row.get_mut(j + 1) {
                *cell = here;
            }
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "version = 1\nname = \"한강모터스\"\ncountry = \"KR\"\nsize = \"sme\"\nshard = 1\n\n[listen]\nhost = \"127.0.0.1\"\nport = 4100\n";

    fn read(text: &str, flags: &Flags, env: &[(&str, &str)]) -> Result<Resolved, ConfigError> {
        let look = |name: &str| env.iter().find(|(of, _)| *of == name).map(|(_, text)| (*text).to_owned());
        resolve(Path::new("naru.toml"), text, flags, look)
    }

    fn source(resolved: &Resolved, key: &str) -> (String, String) {
        let setting = resolved.settings.iter().find(|setting| setting.key == key).unwrap();
        (setting.value.to_string(), setting.source.to_string())
    }

    #[test]
    fn flags_go_over_the_environment_over_the_file_over_defaults() {
        let none = Flags::default();
        let file = read(FILE, &none, &[]).unwrap();
        assert_eq!(source(&file, "listen.port"), ("4100".into(), "naru.toml line 9".into()));
        assert_eq!(source(&file, "name").1, "naru.toml line 2");
        assert_eq!(file.config.https, None);
        let env = [("NARU_LISTEN_PORT", "5"), ("NARU_NAME", "other")];
        let by_env = read(FILE, &none, &env).unwrap();
        assert_eq!(source(&by_env, "listen.port"), ("5".into(), "environment NARU_LISTEN_PORT".into()));
        assert_eq!(by_env.config.name, "한강모터스", "what init signed stays");
        let flags = Flags(vec![("listen.port", "--port", "6".into())]);
        let by_flag = read(FILE, &flags, &env).unwrap();
        assert_eq!(source(&by_flag, "listen.port"), ("6".into(), "flag --port".into()));
        assert_eq!(by_flag.config.listen.port, 6);
        let without = read(&FILE.replace("host = \"127.0.0.1\"\n", ""), &none, &[]).unwrap();
        assert_eq!(source(&without, "listen.host"), ("\"0.0.0.0\"".into(), "default".into()));
        let door = [("NARU_HTTPS_LISTEN", "127.0.0.1:1"), ("NARU_HTTPS_URL", "https://a:1")];
        let https = read(FILE, &none, &door).unwrap();
        assert_eq!(source(&https, "https.key"), ("\"https/key.pem\"".into(), "default".into()));
        assert!(https.config.https.is_some());
    }

    #[test]
    fn unknown_keys_are_refused_with_the_line_and_what_was_meant() {
        let said = |text: &str| read(text, &Flags::default(), &[]).unwrap_err().to_string();
        for (from, to, hint) in [
            ("port = 4100", "prot = 4100", "line 9: unknown key `listen.prot`; did you mean `listen.port`?"),
            ("country", "contry", "line 3: unknown key `contry`; did you mean `country`?"),
            ("[listen]", "[lissten]", "line 7: unknown key `lissten`; did you mean `listen`?"),
            ("shard = 1", "shard = 1\nport = 3", "line 6: unknown key `port`; did you mean `listen.port`?"),
            ("shard = 1", "shard = 1\nzzzzzzzz = 3", "line 6: unknown key `zzzzzzzz`"),
            ("port = 4100", "", "listen.port is missing: set it in naru.toml or NARU_LISTEN_PORT"),
        ] {
            let text = said(&FILE.replace(from, to));
            assert!(text.ends_with(hint), "{text}");
        }
        assert!(said(&FILE.replace("[listen]", "https = 3\n[listen]")).contains("https is a table"));
        let error = read(FILE, &Flags::default(), &[("NARU_LISTEN_PORT", "x")]).unwrap_err().to_string();
        assert!(
            error.ends_with("listen.port (environment NARU_LISTEN_PORT): \"x\" is not a whole number"),
            "{error}"
        );
    }

    #[test]
    fn a_folder_of_another_version_is_refused_with_what_to_do() {
        let error = read(
            &FILE.replace("version = 1", "version = 2\nnew = 3").replace("new = 3\n", ""),
            &Flags::default(),
            &[],
        );
        let error = error.unwrap_err();
        assert_eq!(error.code(), naru_protocol::error::Code::FolderVersion);
        assert!(error.to_string().contains("version 2"), "{error}");
    }
}
