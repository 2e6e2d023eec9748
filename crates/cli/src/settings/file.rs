//! The configuration file, and where each setting came from.

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
};

use super::Mistake;
use crate::args::serve::Options;

/// Reads the file; one that nobody named may be missing.
pub fn read(path: &Path, named: bool) -> Result<Option<String>, Vec<Mistake>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        // Where the data directory cannot be, serve says so itself.
        Err(error) if !named && matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(vec![Mistake::general(format!("cannot read {}: {error}", path.display()))]),
    }
}

/// The settings in it. Line and column of an error come from the parser.
pub fn parse(path: &Path, text: &str) -> Result<Options, Vec<Mistake>> {
    toml::from_str(text).map_err(|error| {
        let text = format!("{}: {}", path.display(), error.to_string().trim_end());
        vec![Mistake::general(text).remedy("`tocsin serve --help` lists the settings")]
    })
}

/// Says where a setting was made.
pub struct Origins<'a> {
    /// The file.
    pub path: &'a Path,
    /// Its text, if it is there.
    pub text: Option<&'a str>,
    /// Flags and environment.
    pub flags: &'a Options,
}

impl Origins<'_> {
    /// `--tls-cert or TOCSIN_TLS_CERT`, or `serve.toml:3: tls_cert`, or the bare name.
    pub fn of(&self, field: &str) -> String {
        let flags = toml::Table::try_from(self.flags).unwrap_or_default();
        if flags.contains_key(field) {
            let flag = match field {
                "hosts" => "host".to_owned(),
                "trusted_proxies" => "trusted-proxy".to_owned(),
                other => other.replace('_', "-"),
            };
            return format!("--{flag} or TOCSIN_{}", field.to_uppercase());
        }
        let lines = self.text.unwrap_or_default().lines().enumerate();
        let is_field = |line: &str| {
            let rest = line.trim_start().strip_prefix(field);
            rest.is_some_and(|rest| rest.trim_start().starts_with('='))
        };
        let line = lines.into_iter().find(|(_, line)| is_field(line)).map(|(number, _)| number + 1);
        line.map_or_else(|| field.to_owned(), |line| format!("{}: {field}", at(self.path, line)))
    }
}

fn at(path: &Path, line: usize) -> String {
    format!("{}:{line}", PathBuf::from(path).display())
}
