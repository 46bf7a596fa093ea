//! Names of fields in every case.

use serde_json::{Map, Value};

use crate::accesslink::wire::document::{is_repeated, name_as_sent};

/// The fields of an object under their names in snake-case. Of several spellings of one name the
/// last one with a value holds.
pub(in super::super) fn snake_case_fields(fields: Map<String, Value>) -> Map<String, Value> {
    if fields.keys().all(|name| is_snake_case(name)) {
        return fields;
    }
    let mut renamed = Map::with_capacity(fields.len());
    for (name, value) in fields {
        let name = snake_case(&name);
        if !value.is_null() || !renamed.contains_key(&name) {
            renamed.insert(name, value);
        }
    }
    renamed
}

fn is_snake_case(name: &str) -> bool {
    !is_repeated(name) && !name.contains(|c: char| c == '-' || c.is_ascii_uppercase())
}

/// A name in snake-case.
pub(in super::super) fn snake_case(name: &str) -> String {
    let name = name_as_sent(name);
    let mut snake = String::with_capacity(name.len() + 4);
    for c in name.chars() {
        match c {
            '-' => snake.push('_'),
            c if c.is_ascii_uppercase() => {
                if !snake.is_empty() && !snake.ends_with('_') {
                    snake.push('_');
                }
                snake.push(c.to_ascii_lowercase());
            }
            c => snake.push(c),
        }
    }
    snake
}
