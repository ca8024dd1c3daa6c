//! Writes the datasets of the electric-vehicle parts story: what a maker of traction motors has on its disks.
//!
//! Real formats, invented content: an inspection image (PNG), a dynamometer series (CSV), maintenance records (text),
//! a machine's sound (WAV) and a battery passport (JSON). The same program writes the same bytes on every machine, so
//! the files under `data/` are kept in the repository and `cargo test --example ev-parts` compares them.
//!
//! No number here goes through a platform's own sine or exponential: those differ in the last bit between systems,
//! and one bit is another digest. It draws nothing from a clock or from the system's randomness, and reads no file.

use std::{env, fs, io, path::Path, process::ExitCode};

mod dyno;
mod image;
mod numbers;
mod records;
mod sound;

/// Every file of the example: its path under the output directory and its bytes, in path order.
fn files() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("dyno/inverter-endurance.csv", dyno::series().into_bytes()),
        ("inspection/stator-weld-0417.png", image::weld_seam()),
        ("maintenance/press-line-3.txt", records::MAINTENANCE.as_bytes().to_vec()),
        ("passport/battery-public.json", records::PASSPORT.as_bytes().to_vec()),
        ("sound/spindle-motor-7.wav", sound::motor()),
    ]
}

fn write_all(directory: &Path) -> io::Result<()> {
    for (name, bytes) in files() {
        let path = directory.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&path, &bytes)?;
        println!("{:>8}  {}", bytes.len(), path.display());
    }
    Ok(())
}

fn main() -> ExitCode {
    let Some(directory) = env::args_os().nth(1) else {
        eprintln!("usage: cargo run --example ev-parts -- DIRECTORY");
        return ExitCode::from(2);
    };
    match write_all(Path::new(&directory)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cannot write to {}: {error}", Path::new(&directory).display());
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn committed() -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/ev-parts/data")
    }

    #[test]
    fn the_committed_files_are_what_the_program_writes() {
        for (name, bytes) in files() {
            let kept = fs::read(committed().join(name)).unwrap();
            assert!(
                kept == bytes,
                "{name} differs; run: cargo run --example ev-parts -- examples/ev-parts/data"
            );
        }
    }

    #[test]
    fn the_whole_example_stays_small_and_in_order() {
        let files = files();
        assert!(files.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() < 600_000);
        assert!(files.is_sorted_by_key(|(name, _)| *name));
    }

    #[test]
    fn formats_are_what_their_names_say() {
        let file = |name: &str| files().into_iter().find(|(n, _)| *n == name).unwrap().1;
        assert!(file("inspection/stator-weld-0417.png").starts_with(b"\x89PNG\r\n\x1a\n"));
        let wav = file("sound/spindle-motor-7.wav");
        assert!(wav.starts_with(b"RIFF") && wav[8..].starts_with(b"WAVEfmt "));
        let passport: serde_json::Value =
            serde_json::from_slice(&file("passport/battery-public.json")).unwrap();
        assert!(passport["identification"]["uniqueIdentifier"].is_string());
        let csv = String::from_utf8(file("dyno/inverter-endurance.csv")).unwrap();
        let columns = csv.lines().next().unwrap().split(',').count();
        assert!(csv.lines().all(|line| line.split(',').count() == columns));
    }

    #[test]
    fn checksums_are_the_published_ones() {
        assert_eq!(image::crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(image::adler32(b"Wikipedia"), 0x11e6_0398);
    }
}
