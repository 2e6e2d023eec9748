//! `docs/faults.md` in both languages against the tree: every test that it names exists, both name the same ones, and what
//! tray and window say about a problem is what the locale files say.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::repo;

/// The document and the language of its sentences.
const DOCUMENTS: [(&str, &str); 2] = [("docs/faults.md", "en"), ("docs/faults.zh-CN.md", "zh-CN")];
/// The root package, whose code is in two folders.
const WINDOW: &str = "tocsin-desktop";

/// What is not so.
pub fn broken() -> Result<Vec<String>> {
    let mut broken = Vec::new();
    let mut named = Vec::new();
    for (document, language) in DOCUMENTS {
        let text = read(document)?;
        let tests = tests(&text);
        for (package, names) in &tests {
            let code = code_of(package)?;
            let missing = names.iter().filter(|name| !has_test(&code, name));
            broken.extend(missing.map(|name| format!("{document}: {package} has no test {name}")));
        }
        let locale: Value = serde_json::from_str(&read(&format!("ui/src/locales/{language}.json"))?)?;
        broken.extend(other_words(&text, &locale).into_iter().map(|code| format!("{document}: {code}")));
        named.push(tests);
    }
    if named.iter().any(BTreeMap::is_empty) || named.windows(2).any(|pair| pair[0] != pair[1]) {
        broken.push("the two documents do not name the same tests".into());
    }
    Ok(broken)
}

fn read(path: &str) -> Result<String> {
    fs::read_to_string(repo::root().join(path)).with_context(|| format!("cannot read {path}"))
}

/// Packages and their tests, from the last column of every table row.
fn tests(document: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut tests = BTreeMap::<String, BTreeSet<String>>::new();
    for row in document.lines().filter(|line| line.starts_with("| ")) {
        let Some(column) = row.trim_end_matches([' ', '|']).rsplit(" | ").next() else { continue };
        let mut package = String::new();
        // What stands in backticks: every second piece.
        for word in column.split('`').skip(1).step_by(2) {
            if word.starts_with("tocsin-") {
                word.clone_into(&mut package);
            }
            let names = tests.entry(package.clone()).or_default();
            if word != package {
                names.insert(word.into());
            }
        }
    }
    tests
}

/// Problems whose title and remedy the document gives in other words than the program.
fn other_words(document: &str, locale: &Value) -> Vec<String> {
    let problems = locale["problem"].as_object().into_iter().flatten();
    let said = |value: &Value| value.as_str().is_some_and(|text| document.contains(text));
    problems
        .filter(|(code, words)| {
            document.contains(&format!("`{code}`: ")) && !(said(&words["title"]) && said(&words["remedy"]))
        })
        .map(|(code, _)| format!("{code} is told in other words than the locale file's"))
        .collect()
}

fn has_test(code: &str, name: &str) -> bool {
    code.contains(&format!("fn {name}("))
}

/// All Rust of one package, in one text.
fn code_of(package: &str) -> Result<String> {
    let root = repo::root();
    let folders = if package == WINDOW {
        vec![root.join("src-tauri"), root.join("tests")]
    } else {
        vec![root.join("crates").join(package.trim_start_matches("tocsin-"))]
    };
    let mut code = String::new();
    for folder in folders {
        collect(&folder, &mut code).with_context(|| format!("cannot read {}", folder.display()))?;
    }
    Ok(code)
}

fn collect(folder: &Path, code: &mut String) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path: PathBuf = entry?.path();
        if path.is_dir() {
            collect(&path, code)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            code.push_str(&fs::read_to_string(&path)?);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ROWS: &str = "| fault | message | test |\n|---|---|---|\n\
        | no tray | `tray_missing`: No tray. Start `it` | `tocsin-a` `one` `two`<br>`tocsin-b` `three` |\n";

    #[test]
    fn the_last_column_names_packages_and_tests() {
        let names = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        let expected =
            [("tocsin-a".to_owned(), names(&["one", "two"])), ("tocsin-b".into(), names(&["three"]))];
        assert_eq!(tests(ROWS), BTreeMap::from(expected));
        assert!(has_test("    fn one() {}", "one") && !has_test("fn one_more() {}", "one"));
    }

    #[test]
    fn other_words_are_found() {
        let said = |remedy: &str| {
            let locale = json!({"problem": {"tray_missing": {"title": "No tray", "remedy": remedy}}});
            other_words(ROWS, &locale).is_empty()
        };
        assert!(said("Start `it`") && !said("Begin it"));
    }

    #[test]
    fn what_the_documents_name_exists() {
        assert_eq!(broken().unwrap(), Vec::<String>::new());
    }
}
