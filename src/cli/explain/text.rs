//! Writes an explanation as text. Called by `roster explain`.

use std::fmt::Write as _;

use super::report::{AccessExplanation, AccessSource, Chain, SectionAccess, StepKind};
use crate::cli::ask::day;
use crate::cli::output::{BAD, BOLD, GOOD, Table, WARN, paint, tame, wrap};
use crate::{api::RoleRefKind, model::KindName};

/// Returns the whole text.
pub(super) fn text(report: &AccessExplanation) -> String {
    let name = report.display_name.as_ref().map_or_else(String::new, |name| format!("{} <", tame(name)));
    let end = if name.is_empty() { "" } else { ">" };
    let mut text = format!("{} in {}\n\n", paint(BOLD, format!("{name}{}{end}", report.user)), report.account);
    for source in &report.sources {
        text += &head(source);
    }
    if report.sources.iter().filter(|source| source.kind == KindName::Membership).count() > 1 {
        text += &line("", "The lower level counts in each section.");
    }
    text += &access(report);
    text += "\n";
    text += &sections(report);
    for source in report.sources.iter().filter(|source| !source.faults.is_empty() || !source.advice.is_empty()) {
        let _ = writeln!(text, "\n{} {}", source.kind.as_str(), source.name);
        for fault in &source.faults {
            text += &wrap(&format!("  {} ", paint(BAD, "✗")), 4, fault);
        }
        for advice in &source.advice {
            text += &wrap(&format!("  {} ", paint(WARN, "!")), 4, advice);
        }
    }
    text
}

fn line(label: &str, value: &str) -> String {
    wrap(&format!("{label:<13}"), 13, value)
}

fn head(source: &AccessSource) -> String {
    let mut text = match source.kind {
        KindName::Account => line("Owner", &format!("of Account {}", source.name)),
        KindName::Invitation => line("Invitation", &format!("{}, not accepted", source.name)),
        kind => line(kind.as_str(), &source.name),
    };
    text += &match &source.role {
        Some(role) if role.kind == RoleRefKind::Role => line("  role", &format!("{} (of this account)", role.name)),
        Some(role) => line("  role", &role.name),
        None => line("  role", "–"),
    };
    for (label, names) in
        [("  groups", &source.groups), ("  restricted", &source.restrictions), ("  lifted", &source.lifted)]
    {
        if !names.is_empty() {
            text += &line(label, &names.join(", "));
        }
    }
    text
}

/// Returns whether the explained access is effective now.
fn access(report: &AccessExplanation) -> String {
    let invited = report.sources.iter().all(|source| source.kind == KindName::Invitation);
    let mut text = match &report.withheld {
        Some(why) if report.access == Some(true) => {
            line("Access", &paint(BAD, format!("now, in the store, although {why}")))
        }
        None if report.sources.is_empty() => {
            line("Access", &paint(WARN, "in the store only: no object declares this user"))
        }
        Some(why) => line("Access", &paint(BAD, format!("none now: {why}"))),
        None if invited => line("Access", &paint(BAD, "none until the invitation is accepted")),
        None => match report.access {
            Some(true) => line("Access", &paint(GOOD, "now")),
            Some(false) => line("Access", &paint(BAD, "none")),
            None => String::new(),
        },
    };
    for (label, at) in [("  from", report.starts_at), ("  until", report.expires_at)] {
        if let Some(at) = at {
            text += &line(label, &day(at));
        }
    }
    if let Some(store) = &report.store {
        text += &line("Store", &paint(WARN, store));
    }
    if let Some(difference) = &report.difference {
        text += &line("  differs", &paint(WARN, difference));
    }
    text
}

fn sections(report: &AccessExplanation) -> String {
    if report.sections.is_empty() {
        return "Only its store has its sections.\n".to_owned();
    }
    let would = report.sections.iter().any(|section| section.granted.is_some());
    let level = if report.at_most { "at most" } else { "level" };
    let heads: &[&str] = if would { &["section", "now", "granted", "why"] } else { &["section", level, "why"] };
    let mut table = Table::new(heads.iter().copied());
    for section in &report.sections {
        let level = section.level.clone().unwrap_or_else(|| "?".to_owned());
        let mut row = vec![section.section.clone(), level];
        if would {
            row.push(section.granted.clone().unwrap_or_default());
        }
        row.push(why(section));
        table.row(row);
    }
    let text = table.text();
    let mut lines = text.lines();
    let first = lines.next().map_or_else(String::new, |heading| paint(BOLD, heading) + "\n");
    lines.fold(first, |text, line| text + line + "\n")
}

fn why(section: &SectionAccess) -> String {
    let several = section.chains.len() > 1;
    let chains = section.chains.iter().map(|chain| {
        let steps = steps(chain);
        if several { format!("{}: {steps}", chain.source) } else { steps }
    });
    chains.collect::<Vec<_>>().join("\n")
}

fn steps(chain: &Chain) -> String {
    if chain.steps.is_empty() {
        return chain.note.clone().unwrap_or_else(|| "nothing grants it".to_owned());
    }
    // For a member who is equal to the owner, earlier grants do not count.
    if let Some(equal) = chain.steps.iter().rev().find(|step| step.step == StepKind::EqualToOwner) {
        return format!("{} as the owner: {}", equal.level, equal.by);
    }
    let steps = chain.steps.iter().enumerate().map(|(place, step)| match step.step {
        StepKind::Granted if place == 0 => format!("{} from {}", step.level, step.by),
        StepKind::Granted => format!("↑ {} from {}", step.level, step.by),
        StepKind::EqualToOwner | StepKind::Capped => format!("↓ {} by {}", step.level, step.by),
        StepKind::Reduced => format!("↓ {} since {}", step.level, step.by),
    });
    steps.collect::<Vec<_>>().join("\n")
}
