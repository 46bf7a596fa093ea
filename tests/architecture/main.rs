//! The architecture, held by a scan of the source: who may import whom, and who owns which foreign system.
//!
//! The scan reads text, not types: it sees `crate::module` and the names of foreign crates in code,
//! outside of comments. That is enough to stop what happens by accident.

mod scan;
mod table;

use std::collections::{BTreeMap, BTreeSet};

use scan::{code_of, files_below, imports_of};
use table::{FILE_LINES_MAX, IMPORTS, NEVER_POLAR, OWNERS};

#[test]
fn imports_only_go_downwards() {
    let table: BTreeMap<_, _> = IMPORTS.iter().map(|module| (module.name, module)).collect();
    let mut checked = 0;
    for file in files_below("src")
        .iter()
        .filter(|file| !file.is_simulator())
    {
        if ["lib", "main"].contains(&file.module()) {
            continue;
        }
        let module = table.get(file.module());
        let module = module.unwrap_or_else(|| panic!("{} is in no row of the table", file.path));
        for import in imports_of(&file.code)
            .iter()
            .filter(|import| table.contains_key(import.as_str()))
        {
            let allowed = import == module.name || module.sees.contains(&import.as_str());
            assert!(
                allowed,
                "src/{} imports {import}; {}: {}",
                file.path, module.name, module.why
            );
            checked += 1;
        }
    }
    assert!(checked > 10, "the scan saw only {checked} imports");
}

#[test]
fn the_table_has_no_circle() {
    for (index, module) in IMPORTS.iter().enumerate() {
        for seen in module.sees {
            let above = IMPORTS[..index].iter().any(|other| other.name == *seen);
            assert!(
                above,
                "{} sees {seen}, which does not stand above it",
                module.name
            );
        }
    }
}

#[test]
fn each_foreign_system_has_one_owner() {
    for file in files_below("src")
        .iter()
        .filter(|file| !file.is_simulator())
    {
        for owner in OWNERS.iter().filter(|owner| file.code.contains(owner.word)) {
            let owns = owner.paths.iter().any(|path| file.is_below(path));
            assert!(owns, "src/{} uses {}; {}", file.path, owner.word, owner.why);
        }
    }
}

#[test]
fn what_opens_a_tx_never_reaches_polar() {
    for file in files_below("src") {
        if NEVER_POLAR.iter().any(|path| file.is_below(path)) {
            let imports = imports_of(&file.code);
            assert!(
                !imports.contains("accesslink"),
                "src/{} imports accesslink",
                file.path
            );
        }
    }
}

#[test]
fn the_simulator_shares_nothing_with_the_program() {
    for file in files_below("src").iter().filter(|file| file.is_simulator()) {
        assert!(
            !file.code.contains("polar_sync::"),
            "src/{} imports the program",
            file.path
        );
    }
}

#[test]
fn a_file_holds_one_noun() {
    for file in files_below("src") {
        assert!(
            file.lines <= FILE_LINES_MAX,
            "src/{} has {} lines",
            file.path,
            file.lines
        );
    }
}

#[test]
fn tests_await_signals_instead_of_sleeping() {
    // Sleep is a kind of data too, so only what waits is meant. Written apart, so that this file does
    // not find itself.
    let waits = ["time::", "thread::"].map(|module| format!("{module}sleep"));
    let imported = ["sleep(", "Duration"].concat();
    for file in files_below("tests") {
        // Its toys take a while, as jobs do.
        if file.path == "queue/harness.rs" {
            continue;
        }
        let sleeps =
            file.code.contains(&imported) || waits.iter().any(|wait| file.code.contains(wait));
        assert!(!sleeps, "tests/{} sleeps", file.path);
    }
}

#[test]
fn the_scan_sees_what_it_must() {
    let code = code_of(
        "// use crate::commented;\nuse crate::{\n    store::{Store, Tx},\n    model::Kind, sync,\n};\nfn f() -> crate::clock::Clock {}\n#[cfg(test)]\nmod tests { use crate::hidden; }",
    );
    let expected = ["clock", "model", "store", "sync"].map(str::to_owned);
    assert_eq!(imports_of(&code), BTreeSet::from(expected));
}
