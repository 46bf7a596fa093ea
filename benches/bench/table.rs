//! What was measured, as rows: for people, and for programs.

use std::fmt;

use serde::Serialize;
use serde_json::json;

/// One number with what it should be.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    name: String,
    value: f64,
    unit: &'static str,
    aim: Option<Aim>,
    spread: Option<Spread>,
    notes: String,
}

/// What a number should be.
#[derive(Debug, Clone, Copy)]
enum Aim {
    AtLeast(f64),
    AtMost(f64),
}

/// How far repetitions lie apart.
#[derive(Debug, Serialize)]
struct Spread {
    min: f64,
    max: f64,
    repetitions: usize,
}

impl Row {
    /// The median of repetitions. One alone has no spread.
    pub(crate) fn of(name: impl Into<String>, unit: &'static str, repetitions: &[f64]) -> Self {
        let mut sorted = repetitions.to_vec();
        sorted.sort_by(f64::total_cmp);
        let spread = (sorted.len() > 1).then(|| Spread {
            min: sorted[0],
            max: sorted[sorted.len() - 1],
            repetitions: sorted.len(),
        });
        Self {
            name: name.into(),
            value: f64::midpoint(sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]),
            unit,
            aim: None,
            spread,
            notes: String::new(),
        }
    }

    pub(crate) fn at_least(self, aim: f64) -> Self {
        Self {
            aim: Some(Aim::AtLeast(aim)),
            ..self
        }
    }

    pub(crate) fn at_most(self, aim: f64) -> Self {
        Self {
            aim: Some(Aim::AtMost(aim)),
            ..self
        }
    }

    pub(crate) fn note(self, notes: impl Into<String>) -> Self {
        Self {
            notes: notes.into(),
            ..self
        }
    }

    fn cells(&self) -> [String; 6] {
        let spread = self.spread.as_ref().map_or_else(String::new, |spread| {
            let (min, max) = (number(spread.min), number(spread.max));
            format!("{min} - {max} ({})", spread.repetitions)
        });
        let aim = self.aim.map_or_else(String::new, |aim| {
            let missed = if aim.is_met(self.value) {
                ""
            } else {
                " MISSED"
            };
            format!("{aim}{missed}")
        });
        [
            self.name.clone(),
            number(self.value),
            self.unit.to_owned(),
            aim,
            spread,
            self.notes.clone(),
        ]
    }
}

impl Aim {
    fn is_met(self, value: f64) -> bool {
        match self {
            Self::AtLeast(aim) => value >= aim,
            Self::AtMost(aim) => value <= aim,
        }
    }
}

impl fmt::Display for Aim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(aim) => write!(f, ">= {}", number(*aim)),
            Self::AtMost(aim) => write!(f, "<= {}", number(*aim)),
        }
    }
}

impl Serialize for Aim {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The value below which a share of sorted numbers lies.
pub(crate) fn quantile(sorted: &[f64], share: f64) -> f64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "repetitions are few, and a share is between 0 and 1"
    )]
    let index = ((sorted.len() - 1) as f64 * share).round() as usize;
    sorted[index]
}

/// The table for people.
pub(crate) fn text(rows: &[Row]) -> String {
    let head = [
        "measurement",
        "median",
        "unit",
        "aim",
        "min - max (repetitions)",
        "notes",
    ];
    let mut lines = vec![head.map(str::to_owned)];
    lines.extend(rows.iter().map(Row::cells));
    let width = |column: usize| lines.iter().map(|line| line[column].len()).max();
    let widths: Vec<_> = (0..head.len())
        .map(|column| width(column).unwrap_or(0))
        .collect();
    let line = |cells: &[String; 6]| {
        let cells = cells.iter().zip(&widths).enumerate();
        let padded = cells.map(|(column, (cell, width))| match column {
            1 => format!("{cell:>width$}"),
            _ => format!("{cell:width$}"),
        });
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    lines.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The same for programs.
pub(crate) fn json(rows: &[Row], is_quick: bool) -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!(
        "{:#}\n",
        json!({"cores": cores, "quick": is_quick, "rows": rows})
    )
}

/// Three digits, or all of a whole number.
fn number(value: f64) -> String {
    match value.abs() {
        large if large >= 100.0 => format!("{value:.0}"),
        medium if medium >= 10.0 => format!("{value:.1}"),
        small if small >= 1.0 || small == 0.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}
