//! Standard output and standard error of the commands, in place of the standard library's macros, which panic where nobody reads.
//!
//! A reader that closed the pipe (`naru audit verify … | head`) has seen enough: what is left is not printed, and the command goes
//! on to its exit code, which says whether what was asked was done. Any other failure of standard output, such as a full disk
//! behind `> file`, loses what was asked for, and ends the command with a failure.

use std::{
    fmt::Arguments,
    io::{self, ErrorKind, Write},
    process,
};

use serde_json::{Value, json};

/// The version of the shapes that `--json` prints: members may be added to them, and none is renamed or taken away.
const SHAPES: u64 = 1;

/// A result in the form that programs read, which always is an object with `v`: a list stands in its `items`.
pub(crate) fn versioned(result: Value) -> Value {
    match result {
        Value::Object(mut members) => {
            members.entry("v").or_insert_with(|| json!(SHAPES));
            Value::Object(members)
        }
        list @ Value::Array(_) => json!({"v": SHAPES, "items": list}),
        one @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => {
            json!({"v": SHAPES, "result": one})
        }
    }
}

/// A result of `--json` on standard output, as one line.
pub(super) fn json(result: Value) {
    out(format_args!("{}\n", versioned(result)));
}

/// The same on standard error: what would be done, and errors.
pub(super) fn json_aside(result: Value) {
    err(format_args!("{}\n", versioned(result)));
}

/// To standard output.
pub(super) fn out(text: Arguments<'_>) {
    if let Err(error) = put(&mut io::stdout(), text) {
        err(format_args!("error: standard output cannot be written: {error}\n"));
        process::exit(1);
    }
}

/// To standard error; one that cannot be written has no other place to say so.
pub(super) fn err(text: Arguments<'_>) {
    let _ = put(&mut io::stderr(), text);
}

/// Writes and flushes; a closed pipe is no error.
fn put(to: &mut impl Write, text: Arguments<'_>) -> io::Result<()> {
    match to.write_fmt(text).and_then(|()| to.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        done => done,
    }
}

macro_rules! print {
    ($($text:tt)*) => { $crate::cli::print::out(::core::format_args!($($text)*)) };
}
macro_rules! println {
    ($($text:tt)*) => { $crate::cli::print::out(::core::format_args!("{}\n", ::core::format_args!($($text)*))) };
}
macro_rules! eprint {
    ($($text:tt)*) => { $crate::cli::print::err(::core::format_args!($($text)*)) };
}
macro_rules! eprintln {
    ($($text:tt)*) => { $crate::cli::print::err(::core::format_args!("{}\n", ::core::format_args!($($text)*))) };
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fails(ErrorKind);

    impl Write for Fails {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn every_result_is_an_object_with_the_version_of_its_shape() {
        assert_eq!(versioned(json!({"a": 1})), json!({"v": 1, "a": 1}));
        assert_eq!(versioned(json!({"v": 2})), json!({"v": 2}), "one that says its version keeps it");
        assert_eq!(versioned(json!([{"a": 1}])), json!({"v": 1, "items": [{"a": 1}]}));
        assert_eq!(versioned(json!([])), json!({"v": 1, "items": []}));
        assert_eq!(versioned(Value::Null), json!({"v": 1, "result": null}));
    }

    #[test]
    fn a_closed_pipe_is_no_error_and_a_full_disk_is() {
        assert!(put(&mut Fails(ErrorKind::BrokenPipe), format_args!("x")).is_ok());
        let error = put(&mut Fails(ErrorKind::StorageFull), format_args!("x")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFull);
        let mut text = Vec::new();
        put(&mut text, format_args!("{}\n", 7)).unwrap();
        assert_eq!(text, b"7\n");
    }
}
