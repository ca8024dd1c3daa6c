//! Which members of an input a pack reads (POL-6.5): a module that is handed no others has less to take in, which is a good part of
//! what an evaluation costs. Not here: how that is found out; `policy/draw` does so when a pack is built.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::limits;

/// Members that are read, by name; one without any of its own is read with all that is below it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reads(BTreeMap<String, Self>);

impl Reads {
    /// Of paths from the top of a document. One that is longer than an input may be deep is taken as far as that.
    pub(crate) fn new(paths: &[Vec<String>]) -> Self {
        let mut shorter: Vec<&[String]> =
            paths.iter().map(|path| &path[..path.len().min(limits::INPUT_DEPTH)]).collect();
        shorter.sort_unstable();
        let mut all = Self::default();
        let mut last: Option<&[String]> = None;
        for path in shorter {
            // Sorted, so that a path comes before those that it covers.
            if last.is_some_and(|last| path.starts_with(last)) {
                continue;
            }
            last = Some(path);
            path.iter().fold(&mut all, |at, name| at.0.entry(name.clone()).or_default());
        }
        all
    }

    /// The document without what is not read. What is no object where a member would be read is left as it is.
    pub(crate) fn of(&self, document: &Value) -> Value {
        match document {
            Value::Object(members) if !self.0.is_empty() => {
                let read = |(name, below): (&String, &Self)| {
                    members.get(name).map(|value| (name.clone(), below.of(value)))
                };
                Value::Object(self.0.iter().filter_map(read).collect::<Map<String, Value>>())
            }
            Value::Object(_)
            | Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_) => document.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Reads;
    use crate::limits;

    fn paths(paths: &[&str]) -> Vec<Vec<String>> {
        paths.iter().map(|path| path.split('/').skip(1).map(str::to_owned).collect()).collect()
    }

    // POL-6.5
    #[test]
    fn what_is_read_stays_and_nothing_else() {
        let reads = Reads::new(&paths(&["/a/b", "/c", "/c/d", "/e/f/g", "/a/b-c", "/absent/x"]));
        let whole =
            json!({"a": {"b": {"all": [1]}, "b-c": 2, "z": 3}, "c": {"d": 4, "h": 5}, "e": "text", "i": 6});
        let read = json!({"a": {"b": {"all": [1]}, "b-c": 2}, "c": {"d": 4, "h": 5}, "e": "text"});
        assert_eq!(reads.of(&whole), read);
        assert_eq!(reads.of(&json!({"a": {"z": 1}, "c": null})), json!({"a": {}, "c": null}));
        assert_eq!(reads.of(&json!([1])), json!([1]));
    }

    // POL-6.5: a list that says nothing leaves everything, and a path without end is cut.
    #[test]
    fn strange_lists_leave_more() {
        let whole = json!({"a": {"b": 1}});
        assert_eq!(Reads::new(&[]).of(&whole), whole);
        assert_eq!(Reads::new(&[vec![]]).of(&whole), whole);
        let long = vec!["a".to_owned(); 100_000];
        let mut deep = json!(1);
        for _ in 0..limits::INPUT_DEPTH {
            deep = json!({"a": deep, "b": 2});
        }
        let kept = Reads::new(&[long]).of(&deep);
        assert_eq!(kept.pointer(&"/a".repeat(limits::INPUT_DEPTH)), Some(&json!(1)));
        assert_eq!(kept.pointer("/b"), None);
    }
}
