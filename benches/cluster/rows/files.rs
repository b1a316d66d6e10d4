//! Measures manifests in files: the time of `roster validate` and `roster plan`, against a bare parse of the same
//! files.

use kube::ResourceExt as _;
use std::{
    fs,
    hint::black_box,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use serde::Serialize;
use serde_json::Value;

use crate::{
    objects, progress,
    report::{Row, Target},
    size::Size,
    summary::{median, milliseconds},
};

/// Interleaved rounds.
const ROUNDS: usize = 7;
const NAMESPACE: &str = "bench";

/// Each account has one file. A run is one process from start to end; its standard output is discarded.
/// The bare parse is `serde_yaml_ng` into a `serde_json::Value`, document by document, on one core, without starting a
/// process and with the allocator of the binary.
pub fn measure(size: &Size) -> Result<Vec<Row>> {
    progress("files");
    let folder = tempfile::tempdir()?;
    write(folder.path(), size)?;
    let files: Vec<_> = fs::read_dir(folder.path())?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    let bare = || -> Result<Duration> {
        let started = Instant::now();
        let mut all = Vec::new();
        for file in &files {
            let text = fs::read_to_string(file)?;
            for document in text.split("---\n").filter(|document| !document.is_empty()) {
                all.push(serde_yaml_ng::from_str::<Value>(document)?);
            }
        }
        black_box(&all);
        Ok(started.elapsed())
    };
    // `plan` validates first, and then compares with a store that does not exist yet.
    let commands = [("validate", "validate_files"), ("plan", "plan_files")];
    let mut bares = Vec::new();
    let mut times = vec![Vec::new(); commands.len()];
    bare()?;
    for _ in 0..ROUNDS {
        bares.push(bare()?);
        for ((command, _), times) in std::iter::zip(&commands, &mut times) {
            times.push(run(command, folder.path())?);
        }
    }
    let bares = milliseconds(&bares);
    let rows = std::iter::zip(commands, times).map(|((name, id), times)| {
        let times = milliseconds(&times);
        let ratios: Vec<f64> = std::iter::zip(&times, &bares).map(|(time, bare)| time / bare).collect();
        let figure = format!("`roster {name} -f` of {} memberships ÷ bare parse", size.memberships);
        Row::new(id, figure, "times", Target::AtMost(2.0), median(&ratios))
            .with("bare_ms", bares.clone())
            .with("roster_ms", times)
    });
    Ok(rows.collect())
}

fn run(command: &str, folder: &Path) -> Result<Duration> {
    let started = Instant::now();
    let output = Command::new(env!("CARGO_BIN_EXE_roster"))
        .args([command, "-f", "."])
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .context("cannot start roster")?;
    let took = started.elapsed();
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    Ok(took)
}

fn write(folder: &Path, size: &Size) -> Result<()> {
    let mut shared = String::new();
    add(&mut shared, &objects::catalog())?;
    add(&mut shared, &objects::store())?;
    fs::write(folder.join("shared.yaml"), shared)?;
    let each = size.memberships / size.accounts;
    for account in 0..size.accounts {
        let name = format!("account-{account}");
        let mut text = String::new();
        add(&mut text, &objects::account(NAMESPACE, &name, &objects::store().name_any()))?;
        add(&mut text, &objects::shift(NAMESPACE, &name, "View"))?;
        for group in objects::groups(NAMESPACE, &name) {
            add(&mut text, &group)?;
        }
        for number in 0..each {
            add(&mut text, &objects::member(NAMESPACE, &name, number, each / 5))?;
        }
        fs::write(folder.join(format!("{name}.yaml")), text)?;
    }
    Ok(())
}

fn add(text: &mut String, object: &impl Serialize) -> Result<()> {
    text.push_str("---\n");
    text.push_str(&serde_yaml_ng::to_string(object)?);
    Ok(())
}
