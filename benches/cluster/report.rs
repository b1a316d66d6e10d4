//! Prints the results as a table and as JSON. docs/benchmarks.md describes the fields. Called by `main`.

use std::{collections::BTreeMap, fs, path::Path, thread::available_parallelism};

use anyhow::{Context as _, Result};
use serde::Serialize;

use crate::{
    progress,
    size::{Size, SizeName},
};

/// Version of the JSON format.
const SCHEMA: u32 = 1;

/// Target of a figure.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Target {
    /// Maximum.
    AtMost(f64),
    /// Minimum.
    AtLeast(f64),
}

/// One line of the table.
#[derive(Debug, Serialize)]
pub struct Row {
    /// Stable short name.
    pub id: &'static str,
    /// Name of the figure, in words.
    pub figure: String,
    /// Target value.
    pub target: Target,
    /// Measured value.
    pub measured: f64,
    /// Unit of target and value.
    pub unit: &'static str,
    /// Whether the target is met.
    pub met: bool,
    /// Values from which the figure was computed; the unit is part of each name.
    pub raw: BTreeMap<&'static str, Vec<f64>>,
}

impl Row {
    pub fn new(id: &'static str, figure: impl Into<String>, unit: &'static str, target: Target, measured: f64) -> Self {
        let met = match target {
            Target::AtMost(bound) => measured <= bound,
            Target::AtLeast(bound) => measured >= bound,
        };
        Self { id, figure: figure.into(), target, measured, unit, met, raw: BTreeMap::new() }
    }

    /// Like the method above, but with the values from which the figure was computed.
    pub fn with(mut self, name: &'static str, values: impl Into<Vec<f64>>) -> Self {
        self.raw.insert(name, values.into());
        self
    }
}

/// All results.
#[derive(Debug, Serialize)]
pub struct Report {
    schema: u32,
    roster: &'static str,
    size: SizeName,
    sizes: Size,
    machine: Machine,
    rows: Vec<Row>,
}

/// Machine and versions of the measurement.
#[derive(Debug, Serialize)]
struct Machine {
    cores: usize,
    /// Load averages of the last minute, before and after: work of other processes.
    load_before: f64,
    load_after: f64,
}

impl Report {
    pub fn new(name: SizeName, size: &Size) -> Self {
        let machine =
            Machine { cores: available_parallelism().map_or(0, usize::from), load_before: load(), load_after: 0.0 };
        if machine.load_before > 0.7 {
            progress(&format!("load is {} already: ratios will scatter", machine.load_before));
        }
        Self { schema: SCHEMA, roster: env!("CARGO_PKG_VERSION"), size: name, sizes: *size, machine, rows: Vec::new() }
    }

    pub fn extend(&mut self, rows: Vec<Row>) {
        for row in &rows {
            progress(&format!("{}: {} {}", row.id, number(row.measured), row.unit));
        }
        self.rows.extend(rows);
    }

    pub fn is_met(&self) -> bool {
        self.rows.iter().all(|row| row.met)
    }

    /// Prints the table and writes the JSON.
    pub fn finish(&mut self, json: &Path) -> Result<()> {
        self.machine.load_after = load();
        println!("\nSize {:?}: {}\n", self.size, serde_json::to_string(&self.sizes)?);
        let width = self.rows.iter().map(|row| row.figure.chars().count()).max().unwrap_or(0);
        println!("{:width$}  {:>13}  {:>12}", "figure", "target", "measured");
        for row in &self.rows {
            let target = match row.target {
                Target::AtMost(bound) => format!("≤ {}", number(bound)),
                Target::AtLeast(bound) => format!("≥ {}", number(bound)),
            };
            let verdict = if row.met { "ok" } else { "missed" };
            println!("{:width$}  {target:>13}  {:>12}  {verdict:6}  {}", row.figure, number(row.measured), row.unit);
        }
        println!("\nWhat these were worked out from:");
        for row in &self.rows {
            for (name, values) in &row.raw {
                let values: Vec<String> = values.iter().map(|value| number(*value)).collect();
                println!("  {:22} {name} = {}", row.id, values.join(", "));
            }
        }
        if let Some(folder) = json.parent() {
            fs::create_dir_all(folder)?;
        }
        let text = serde_json::to_string_pretty(self)?;
        fs::write(json, text + "\n").with_context(|| json.display().to_string())?;
        println!("\nWritten to {}", json.display());
        Ok(())
    }
}

fn load() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|load| load.parse().ok()).unwrap_or(f64::NAN)
}

/// Formats a number with three significant digits.
fn number(value: f64) -> String {
    if value == 0.0 {
        "0".to_owned()
    } else if value.abs() >= 100.0 {
        format!("{value:.0}")
    } else if value.abs() >= 10.0 {
        format!("{value:.1}")
    } else if value.abs() >= 0.01 {
        format!("{value:.2}")
    } else {
        format!("{value:.5}")
    }
}
