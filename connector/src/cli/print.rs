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
    fn a_closed_pipe_is_no_error_and_a_full_disk_is() {
        assert!(put(&mut Fails(ErrorKind::BrokenPipe), format_args!("x")).is_ok());
        let error = put(&mut Fails(ErrorKind::StorageFull), format_args!("x")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFull);
        let mut text = Vec::new();
        put(&mut text, format_args!("{}\n", 7)).unwrap();
        assert_eq!(text, b"7\n");
    }
}
