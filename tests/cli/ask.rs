//! Tests `can-i`, `who-can`, `explain` and `matrix` on files.

mod portals;

use insta::assert_snapshot;
use serde_json::Value;

use crate::support::{Roster, roster};

/// The five portals, on a day that does not change.
fn ask(arguments: &str) -> Roster {
    roster(arguments).arg("-f").arg("examples").env("ROSTER_NOW", "2026-06-01T12:00:00Z")
}

/// One account with every kind of withheld access: suspended, blocked, expired, not started, entered twice.
fn club(arguments: &str) -> Roster {
    ask(arguments).arg("-f").arg("-").stdin(CLUB)
}

const CLUB: &str = include_str!("ask/club.yaml");

/// Prints the output of several commands, each under its command line.
fn each(run: fn(&str) -> Roster, questions: &[&str]) -> String {
    questions.iter().map(|question| format!("$ roster {question}\n{}\n", run(question).printed())).collect()
}

fn json(run: Roster) -> Value {
    let output = run.output();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

/// Two Roles override one role: the lower level counts, and the other is not shown as in force.
#[test]
fn a_matrix_shows_which_override_is_in_force() {
    let base = std::fs::read_to_string(crate::support::repository("tests/cli/input/validate/base.yaml")).unwrap();
    let one = |name: &str, permissions: &str| {
        format!(
            "---\napiVersion: roster.dev/v1alpha1\nkind: Role\nmetadata: {{name: {name}, namespace: acme}}\nspec: {{accountRef: \
             {{name: acme}}, overrides: clerk, permissions: {{{permissions}}}}}\n"
        )
    };
    let text = format!("{base}{}{}", one("day", "orders: Edit"), one("night", "orders: Hide, refunds: View"));
    let ask = |format: &str| roster(&format!("matrix --account acme/acme -f - -o {format}")).stdin(&text).printed();
    assert_snapshot!("matrix_of_two_overrides", ask("text"));
    let html = ask("html");
    assert!(html.contains("not by Role day: its Edit has no effect"), "{html}");
}

#[test]
fn can_i_says_yes_or_why_not() {
    assert_snapshot!(each(
        ask,
        &[
            "can-i Edit settings --as sven@acme.example --account developer-platform/acme-direct",
            "can-i View settings --as SVEN@Acme.Example --account acme-direct",
            "can-i Edit settings --as dana@acme.example --account developer-platform/acme",
            "can-i Edit credentials --as sven@acme.example --account acme-direct",
            "can-i Edit logs --as sven@acme.example --account acme-direct",
            "can-i Allowed payments --as paul@tidewater.example --account tidewater",
            "can-i Edit account-bulk-statuses --as rob@northline.example --account northline",
            "can-i Edit phone-numbers --as aisha@acme.example --account developer-platform/acme",
            "can-i Edit settings --as svenn@acme.example --account acme-direct",
            "can-i Edit settings --as nobody@else.example --account acme-direct",
            "can-i Allowed create-roles --as hector@west.example --account meridian-west",
        ]
    ));
}

#[test]
fn can_i_says_why_access_is_withheld() {
    assert_snapshot!(each(
        club,
        &[
            "can-i Edit courts --as ann@club.example --account club/club",
            "can-i Edit courts --as bea@club.example --account club/club",
            "can-i Edit courts --as cleo@club.example --account club/club",
            "can-i Edit courts --as dora@club.example --account club/club",
            "can-i Edit courts --as edna@club.example --account club/club",
            "can-i Edit courts --as fay@club.example --account club/club",
            "can-i View courts --as fay@club.example --account club/club",
            "can-i View courts --as gus@club.example --account club/club",
            "can-i View courts --as ann@club.example --account club/lost",
            "can-i View courts --as ann@club.example --account club/nowhere",
        ]
    ));
}

#[test]
fn can_i_is_quiet_when_asked_to_be() {
    let no = ask("can-i Edit credentials --as sven@acme.example --account acme-direct -q").printed();
    assert_eq!(no, "exit code 1\n");
    let yes = ask("can-i Edit settings --as sven@acme.example --account acme-direct --quiet").printed();
    assert_eq!(yes, "exit code 0\n");
}

#[test]
fn missing_objects_are_named_with_a_suggestion() {
    assert_snapshot!(each(
        ask,
        &[
            "can-i Allowed payment --as paul@tidewater.example --account tidewater",
            "can-i allowed payments --as paul@tidewater.example --account tidewater",
            "can-i Often payments --as paul@tidewater.example --account tidewater",
            "can-i payments Allowed --as paul@tidewater.example --account tidewater",
            "can-i Denied payments --as paul@tidewater.example --account tidewater",
            "can-i Edit settings --as sven@acme.example --account acm",
            "can-i Edit settings --as sven --account acme",
            "who-can Edit setings --account acme",
            "who-can Edit nothing-like-it",
            "explain nobody@else.example --account acme",
            "explain sven@acme.example --account acme-direct --section log",
            "matrix --catalog partner-account",
            "matrix --catalog partner-accounts --rows people",
        ]
    ));
}

#[test]
fn who_can_lists_people_with_all_sources_of_their_access() {
    assert_snapshot!(each(
        ask,
        &[
            "who-can Edit settings",
            "who-can Allowed payments --account secondary-users/tidewater",
            "who-can Edit account-bulk-statuses",
            "who-can Allowed create-managed-account",
            "who-can Allowed create-roles",
            "who-can Allowed create-roles --all",
            "who-can Edit credentials --account hobby -o markdown",
            "who-can Edit route-plan -o csv",
        ]
    ));
    assert_snapshot!(ask("who-can Edit payments-billing --account acme-direct -o json").printed());
}

#[test]
fn who_can_separates_withheld_and_unknown_access() {
    assert_snapshot!(each(
        club,
        &[
            "who-can View courts --account club/club",
            "who-can Edit courts --account club/club --all",
            "who-can View courts --account club/club --all -o csv",
            "who-can View courts --account club/lost --all",
        ]
    ));
}

#[test]
fn explain_gives_the_chain_behind_each_level() {
    assert_snapshot!(each(
        ask,
        &[
            "explain olivia@tidewater.example --account tidewater",
            "explain ivan@tidewater.example --account tidewater",
            "explain petra@tidewater.example --account tidewater --section api-keys",
            "explain rob@northline.example --account northline",
            "explain rob@northline.example --account northline --section account-bulk-statuses",
            "explain akira@meridian.example --account meridian",
            "explain toby@meridian.example --account meridian",
            "explain hector@west.example --account meridian-west",
            "explain felix@interlink.example --account interlink --section delete-services",
            "explain aisha@acme.example --account developer-platform/acme",
            "explain mika@hobby.example --account hobby",
        ]
    ));
    assert_snapshot!(ask("explain ivan@tidewater.example --account tidewater --section api-keys -o json").printed());
}

#[test]
fn a_person_is_found_in_any_account() {
    assert_snapshot!(each(
        ask,
        &[
            "explain sven@acme.example",
            "explain akira@meridian.example",
            "explain akira@meridian.example -o wide",
            "explain svenn@acme.example",
            "explain nobody@else.example",
            "can-i Edit settings --as sven@acme.example",
            "can-i Edit credentials --as sven@acme.example",
            "can-i Edit settings --as nobody@else.example",
            "can-i Edit nothing-like-it --as sven@acme.example",
        ]
    ));
}

/// An address that differs in two letters is not suggested.
#[test]
fn no_other_person_is_suggested() {
    let printed = ask("can-i Edit settings --as dora@acme.example --account developer-platform/acme").printed();
    assert!(!printed.contains("did you mean"), "{printed}");
}

#[test]
fn explain_says_what_withholds_access_and_what_is_wrong() {
    let questions: Vec<String> = ["ann", "bea", "cleo", "dora", "edna", "fay", "gus"]
        .map(|name| format!("explain {name}@club.example --account club/club"))
        .to_vec();
    let mut questions: Vec<&str> = questions.iter().map(String::as_str).collect();
    questions.push("explain ann@club.example --account club/lost");
    assert_snapshot!(each(club, &questions));
}

#[test]
fn a_matrix_fits_whatever_its_size() {
    assert_snapshot!(each(
        ask,
        &[
            "matrix --account secondary-users/tidewater",
            "matrix --account secondary-users/tidewater --rows groups",
            "matrix --account secondary-users/tidewater --rows people",
            "matrix --account service-provider/northline",
            "matrix --account service-provider/northline --rows groups",
            "matrix --account service-provider/northline --rows people",
            "matrix --account partner-accounts/interlink",
            "matrix --account developer-platform/acme-direct",
            "matrix --account developer-platform/acme --rows groups",
            "matrix --account field-operations/meridian",
            "matrix --account field-operations/meridian-west --rows people",
            "matrix --catalog field-operations",
        ]
    ));
    let people = club("matrix --account club/club --rows people").printed();
    assert_snapshot!(people + &club("matrix --account club/lost --rows people").printed());
}

#[test]
fn everything_fits_100_columns() {
    for question in [
        "matrix --account service-provider/northline --rows people",
        "matrix --account partner-accounts/interlink-retail",
        "matrix --catalog service-provider",
        "explain hector@west.example --account meridian-west",
        "explain olivia@tidewater.example --account tidewater",
        "who-can Allowed create-roles --all",
        "who-can Allowed payments",
    ] {
        for line in ask(question).printed().lines() {
            assert!(line.chars().count() <= 100, "{question}: {line}");
        }
    }
}

#[test]
fn a_matrix_as_markdown_and_json() {
    assert_snapshot!(ask("matrix --account field-operations/meridian -o markdown").printed());
    let json = json(ask("matrix --account field-operations/meridian -o json"));
    let row = json["rows"].as_array().unwrap().iter().find(|row| row["name"] == "admin").unwrap();
    assert_snapshot!(serde_json::to_string_pretty(row).unwrap());
    assert_eq!(json["apiVersion"], "cli.roster.dev/v1");
    assert_eq!(json["changes"].as_array().unwrap().len(), 2);
}

#[test]
fn a_matrix_as_one_page() {
    assert_snapshot!(ask("matrix --account field-operations/meridian -o html").printed());
}

#[test]
fn user_text_is_escaped_in_the_page() {
    let page = club("matrix --account club/club --rows people -o html").printed();
    assert!(page.contains("&#60;script&#62;"), "{page}");
    assert!(!page.contains("<script"), "{page}");
    // A title attribute cannot be left, either.
    assert!(!page.contains("\"onmouseover"), "{page}");
    for outside in ["http://", "https://", "src=", "@import", "url("] {
        assert!(!page.contains(outside), "{outside}");
    }
    let text =
        club("matrix --account club/club").printed() + &club("explain fay@club.example --account club/club").printed();
    assert!(!text.contains('\u{1b}') && !text.contains('\u{7}'), "{text}");
}

#[test]
fn the_examples_of_the_help_work() {
    for command in ["can-i", "who-can", "explain", "matrix"] {
        let help = roster(&format!("{command} --help")).printed();
        let examples: Vec<&str> = help.lines().filter_map(|line| line.strip_prefix("  roster ")).collect();
        assert!(examples.len() >= 3, "{help}");
        for example in examples {
            let arguments = example.split(" > ").next().unwrap();
            let code = roster(arguments).output().status.code();
            assert!(matches!(code, Some(0 | 1)), "{example}: {code:?}");
        }
    }
}
