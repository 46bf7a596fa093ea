//! Reads source files as text: their code without comments and tests, and the modules that it names.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of tests fails the test that called it"
)]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// A source file: its path below `src`, and its code without comments and tests.
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) code: String,
    pub(crate) lines: usize,
}

impl File {
    pub(crate) fn is_below(&self, folder: &str) -> bool {
        self.path == folder || self.path.starts_with(&format!("{folder}/"))
    }

    /// The top-level module, for example `store`.
    pub(crate) fn module(&self) -> &str {
        self.path.split('/').next().unwrap().trim_end_matches(".rs")
    }

    pub(crate) fn is_simulator(&self) -> bool {
        self.is_below("bin")
    }
}

pub(crate) fn files_below(folder: &str) -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut paths = Vec::new();
    collect(&root, &mut paths);
    let file = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        let path = path
            .strip_prefix(&root)
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        File {
            path,
            code: code_of(&text),
            lines: text.lines().count(),
        }
    };
    paths.into_iter().map(file).collect()
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
}

/// What is compiled into the program: no comment lines, and nothing from the tests on, which stand last.
pub(crate) fn code_of(text: &str) -> String {
    let program = text
        .lines()
        .take_while(|line| line.trim() != "#[cfg(test)]");
    let code = program.filter(|line| !line.trim_start().starts_with("//"));
    code.collect::<Vec<_>>().join("\n")
}

/// The modules of this crate that `code` names, as `crate::name` or within `use crate::{...}`.
pub(crate) fn imports_of(code: &str) -> BTreeSet<String> {
    let mut imports = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        if let Some(group) = rest.strip_prefix('{') {
            imports.extend(heads_of(group));
        } else {
            imports.insert(word_at(rest));
        }
    }
    imports
}

/// The first words of a `{...}` group, without what is nested in it.
fn heads_of(group: &str) -> Vec<String> {
    let (mut depth, mut heads, mut at_head) = (0, Vec::new(), true);
    for (index, character) in group.char_indices() {
        match character {
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            '{' => depth += 1,
            ',' if depth == 0 => at_head = true,
            character if at_head && depth == 0 && !character.is_whitespace() => {
                heads.push(word_at(&group[index..]));
                at_head = false;
            }
            _ => {}
        }
    }
    heads
}

fn word_at(text: &str) -> String {
    text.chars()
        .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
        .collect()
}
