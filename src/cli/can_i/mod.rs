//! Implements `roster can-i`: answers whether a person has a permission, or may make a change. Called by `cli::run`.

mod change;

use anyhow::Context as _;
use jiff::Timestamp;

use self::change::ChangeArgs;
use super::{
    ask::{
        Held, Lookup, Question, Subject, nobody, nobody_anywhere, not_asked, note_out_of_sync, reach, reach_all,
        subjects, why_not,
    },
    input::Input,
    output::{complain, print, wrap},
    target::OrphanedAccount,
};
use crate::{
    manifests::LoadedObjects,
    model::{Email, Scope},
};

/// Check whether a person has a permission, or may change access
///
/// Prints yes or no; after a no, one line with the reason. Exit code: 0 yes; 1 no. A higher level of the section's
/// ladder includes the lower ones. If only the store has the answer, because the account or part of the Membership is
/// invalid, the answer is no. With --store or --sqlite-dir the answer comes from that store; where the objects differ
/// from it, both are shown with the reason. Without --account, the command checks all accounts that have the section,
/// in all namespaces of a cluster or the one given by -n, and also accounts that only a given store has. The answer is
/// yes if it is yes in any of them.
///
/// With --change, the command checks whether somebody may apply the objects of the files, and prints what people would
/// gain and lose. The objects as they are come from the cluster, or from the files of --from. Nothing is changed. The
/// admission webhook (roster webhook) enforces the same rules.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
        roster can-i Edit settings --as sven@acme.example --account acme-direct -f examples/\n  \
        roster can-i Edit settings --as sven@acme.example -f examples/\n  \
        roster can-i Allowed payments --as paul@tidewater.example --account tidewater -f examples/\n  \
        roster can-i View reports --as vera@northline.example --account northline -f examples/ -q\n  \
        roster can-i --change -f examples/store.yaml --as administrator --from examples")]
pub struct Args {
    /// Minimum level …
    #[arg(required_unless_present = "change")]
    level: Option<String>,

    /// … in this section
    #[arg(required_unless_present = "change")]
    section: Option<String>,

    /// Address of the person; with --change also a user or service account of the cluster, or `administrator`
    #[arg(long = "as", value_name = "WHO")]
    who: String,

    /// Check only this account
    #[arg(long, value_name = "NS/NAME")]
    account: Option<String>,

    /// Print nothing; only set the exit code
    #[arg(short, long)]
    quiet: bool,

    #[command(flatten)]
    of_change: ChangeArgs,

    #[command(flatten)]
    lookup: Lookup,

    #[command(flatten)]
    input: Input,
}

/// Answer for one account.
struct Answer {
    account: String,
    allowed: bool,
    /// Reason for a no, or the difference between store and objects.
    why: String,
}

pub async fn run(args: Args) -> anyhow::Result<u8> {
    let now = super::now()?;
    let (Some(level), Some(section)) = (&args.level, &args.section) else {
        return change::run(&args.of_change, &args.who, &args.input, args.quiet, now).await;
    };
    let asked = (level.as_str(), section.as_str());
    let email = Email::parse(&args.who).context("--as")?;
    let mut input = args.input.clone();
    let (allowed, text) = if let Some(account) = &args.account {
        reach(&mut input, Some(account), &args.lookup);
        let loaded = input.read_valid().await?;
        let scope = Scope::Members([email.clone()].into());
        if let Some(orphaned_account) = args.lookup.orphaned_account(&loaded, account, &scope, now).await? {
            let (allowed, text) = in_orphaned(&orphaned_account, &email, asked, now)?;
            return say(args.quiet, allowed, &text);
        }
        let subject = Subject::new(&loaded, loaded.account(account).await?, &args.lookup, now).await?;
        let question = subject.question(level, section)?;
        if subject.person(&email).is_none() {
            (false, nobody(&loaded, &subject, &email).await + "\n")
        } else {
            let answer = answer(&subject, &email, &question, now);
            if !args.quiet {
                note_out_of_sync(&loaded, &[&subject], Some(&email)).await;
            }
            let why = if answer.why.is_empty() { String::new() } else { answer.why + "\n" };
            (answer.allowed, why)
        }
    } else {
        reach_all(&mut input, &args.lookup);
        anywhere(&args, asked, &input.read_valid().await?, &email, now).await?
    };
    say(args.quiet, allowed, &text)
}

/// Prints the answer, and returns the exit code.
fn say(quiet: bool, allowed: bool, text: &str) -> anyhow::Result<u8> {
    if !quiet {
        print(&format!("{}\n{text}", if allowed { "yes" } else { "no" }))?;
    }
    Ok(if allowed { super::OK } else { super::NO })
}

/// Returns the answer for a named account that only its store has.
fn in_orphaned(
    orphaned_account: &OrphanedAccount,
    email: &Email,
    (level, section): (&str, &str),
    now: Timestamp,
) -> anyhow::Result<(bool, String)> {
    let key = &orphaned_account.key;
    let question = Question::parse(&orphaned_account.observed.layout, &format!("account {key}"), level, section)?;
    Ok(match stored_answer(orphaned_account, email, &question, now) {
        Some(answer) => (answer.allowed, answer.why + "\n"),
        None => (false, format!("{email} is not in account {key}; {}\n", orphaned_account.note())),
    })
}

fn answer(subject: &Subject<'_>, email: &Email, question: &Question, now: Timestamp) -> Answer {
    let person = subject.person(email);
    let held = person.map(|person| subject.held(person, now));
    let allowed = matches!(held, Some(Held::Exactly(ranks)) if question.is_met(&ranks));
    let why = match person.and_then(|person| subject.difference(person, Some(question.section), now)) {
        Some(difference) => difference,
        None if allowed => String::new(),
        None => why_not(subject, email, question, now),
    };
    Answer { account: subject.key.to_string(), allowed, why }
}

/// Returns the answer for an account that only its store has; `None` if the store does not have the person.
fn stored_answer(
    orphaned_account: &OrphanedAccount,
    email: &Email,
    question: &Question,
    now: Timestamp,
) -> Option<Answer> {
    let content = orphaned_account.member(email)?;
    let allowed = question.is_met(&content.ranks_at(now));
    let why = match content.ended {
        _ if allowed => orphaned_account.note(),
        Some(end) => format!("{email} has no access there: {}; {}", end.in_words(), orphaned_account.note()),
        None => format!("{email} has less there; {}", orphaned_account.note()),
    };
    Some(Answer { account: orphaned_account.key.to_string(), allowed, why })
}

/// Returns the answer for all accounts that have the section and the person: yes if it is yes in any of them.
async fn anywhere(
    args: &Args,
    (level, section): (&str, &str),
    loaded: &LoadedObjects,
    email: &Email,
    now: Timestamp,
) -> anyhow::Result<(bool, String)> {
    let subjects = subjects(loaded, &args.lookup, now).await?;
    let (mut answers, mut refused, mut asked) = (Vec::new(), None, false);
    // Without its catalog, nobody knows the sections of an account.
    let all_unknown = subjects.iter().all(|subject| subject.layout.is_empty());
    for subject in subjects.iter().filter(|subject| all_unknown || !subject.layout.is_empty()) {
        match subject.question(level, section) {
            Ok(question) => {
                asked = true;
                if subject.person(email).is_some() {
                    answers.push(answer(subject, email, &question, now));
                }
            }
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    for orphaned_account in args.lookup.orphaned_accounts(loaded, &Scope::Members([email.clone()].into()), now).await? {
        let whose = format!("account {}", orphaned_account.key);
        match Question::parse(&orphaned_account.observed.layout, &whose, level, section) {
            Ok(question) => {
                asked = true;
                answers.extend(stored_answer(&orphaned_account, email, &question, now));
            }
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    if let Some(error) = refused.filter(|_| !asked) {
        return Err(error);
    }
    if let Some(note) = not_asked(&subjects).filter(|_| !args.quiet) {
        complain(note);
    }
    if !args.quiet {
        note_out_of_sync(loaded, &subjects.iter().collect::<Vec<_>>(), Some(email)).await;
    }
    if answers.is_empty() {
        return Ok((false, nobody_anywhere(loaded, &subjects, email).await + "\n"));
    }
    let wide = answers.iter().map(|one| one.account.chars().count()).max().unwrap_or(0);
    let line = |one: &Answer| {
        let verdict = if one.allowed { "yes" } else { "no" };
        let why = if one.why.is_empty() { verdict.to_owned() } else { format!("{verdict}: {}", one.why) };
        wrap(&format!("  {:wide$}  ", one.account), wide + 4, &why)
    };
    Ok((answers.iter().any(|one| one.allowed), answers.iter().map(line).collect()))
}
