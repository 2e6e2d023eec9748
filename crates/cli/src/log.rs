//! The log: a file of a bounded size in the state directory, and stderr when a person looks.
//!
//! - `FILES` files of `FILE_BYTES` each: the newest has the plain name, older ones a number. Together 10 MiB, enough for
//!   weeks of a quiet team and nothing that fills a disk.
//! - Readable by this user alone: titles and names may stand in it at debug level. Secrets never do: the types that
//!   carry them print nothing.
//! - A log that cannot be written is said once on stderr and stops nobody.
//!
//! The filter is tracing's own `Targets`: no regular expressions, no allocation per event.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, IsTerminal as _, Write},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use tracing_subscriber::{
    Layer as _, filter::Targets, fmt::MakeWriter, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

use crate::exit::Failure;

/// Size at which a file is put aside.
const FILE_BYTES: u64 = 2 * 1024 * 1024;
/// How many there are, the newest included.
const FILES: u32 = 5;
/// What is logged unless somebody says otherwise.
const FILTER: &str = "info";

/// Name of the log of a headless server: beside a resident on the same data directory both write.
pub const SERVE_LOG: &str = "serve.log";

/// Reads a filter such as `info,tocsin_server=debug`.
pub fn filter(asked: Option<&str>) -> Result<Targets, Failure> {
    let rust_log = std::env::var("RUST_LOG").ok();
    let text = asked.or(rust_log.as_deref()).filter(|text| !text.is_empty()).unwrap_or(FILTER);
    text.parse().map_err(|error| {
        Failure::usage(format!("{text:?} is no log filter: {error}"))
            .hint("use error, warn, info, debug or trace, or for example info,tocsin_server=debug")
    })
}

/// Starts logging of a short command: warnings on stderr, or what was asked for.
pub fn to_stderr(asked: Option<&str>) -> Result<(), Failure> {
    let targets = match asked {
        None if std::env::var_os("RUST_LOG").is_none() => filter(Some("error"))?,
        asked => filter(asked)?,
    };
    let layer =
        tracing_subscriber::fmt::layer().with_writer(io::stderr).with_ansi(io::stderr().is_terminal());
    let _ = tracing_subscriber::registry().with(layer.with_filter(targets)).try_init();
    Ok(())
}

/// Starts logging of a long-lived process, to `file` and to stderr if that is a terminal.
pub fn to_file(file: &Path, asked: Option<&str>) -> Result<(), Failure> {
    let targets = filter(asked)?;
    let writer = Rotating::open(file, FILE_BYTES, FILES);
    if let Err(error) = &writer {
        crate::output::note(&format!("tocsin: no log is written: {}: {error}", file.display()));
    }
    // systemd's journal and a terminal want to see it; a desktop session's stderr is nobody's.
    let terminal = io::stderr().is_terminal() || std::env::var_os("JOURNAL_STREAM").is_some();
    let on_terminal = terminal.then(|| {
        tracing_subscriber::fmt::layer().with_writer(io::stderr).with_ansi(io::stderr().is_terminal())
    });
    let in_file = writer.ok().map(|file| tracing_subscriber::fmt::layer().with_writer(file).with_ansi(false));
    let _ = tracing_subscriber::registry().with(targets).with(on_terminal).with(in_file).try_init();
    Ok(())
}

/// A file that is put aside when it is full.
#[derive(Debug)]
pub struct Rotating(Mutex<Current>);

#[derive(Debug)]
struct Current {
    path: PathBuf,
    file: File,
    bytes: u64,
    most: u64,
    files: u32,
}

impl Rotating {
    /// Opens the newest file, or makes it with its directory.
    pub fn open(path: &Path, most: u64, files: u32) -> io::Result<Self> {
        if let Some(dir) = path.parent() {
            let mut builder = fs::DirBuilder::new();
            builder.recursive(true);
            #[cfg(unix)]
            std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
            builder.create(dir)?;
        }
        let file = append(path)?;
        let bytes = file.metadata()?.len();
        Ok(Self(Mutex::new(Current { path: path.into(), file, bytes, most, files })))
    }
}

fn append(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

impl Current {
    fn rotate(&mut self) -> io::Result<()> {
        for number in (1..self.files).rev() {
            let from = if number == 1 { self.path.clone() } else { numbered(&self.path, number - 1) };
            if from.exists() {
                fs::rename(&from, numbered(&self.path, number))?;
            }
        }
        self.file = append(&self.path)?;
        self.bytes = 0;
        Ok(())
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        if self.bytes > 0 && self.bytes + line.len() as u64 > self.most {
            self.rotate()?;
        }
        self.file.write_all(line)?;
        self.bytes += line.len() as u64;
        Ok(())
    }
}

fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

/// One event's line.
pub struct Line<'a>(&'a Rotating);

impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut current = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        current.write(line).map(|()| line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Rotating {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_bounded_in_size_and_number_and_private() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log/tocsin.log");
        let log = Rotating::open(&path, 100, 3).unwrap();
        for number in 0..40 {
            // One write for each event, as tracing does it.
            log.make_writer().write_all(format!("line number {number:04}\n").as_bytes()).unwrap();
        }
        let names: Vec<_> =
            fs::read_dir(path.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(names.len(), 3, "{names:?}");
        for name in &names {
            let meta = fs::metadata(name).unwrap();
            assert!(meta.len() <= 100 && meta.permissions().mode() & 0o777 == 0o600, "{name:?}");
        }
        assert!(fs::read_to_string(&path).unwrap().ends_with("line number 0039\n"));
        assert!(fs::read_to_string(numbered(&path, 1)).unwrap().contains("line number 0034"));
    }

    #[test]
    fn a_filter_is_read_or_refused() {
        assert!(filter(Some("info,tocsin_server=debug")).is_ok());
        assert_eq!(filter(Some("loud=very")).unwrap_err().exit, crate::exit::Exit::Usage);
    }
}
