//! Implements `roster init`: writes example files for a new portal. Called by `cli::run`.

mod portal;

use std::{
    fmt::Write as _,
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, ensure};
use serde_json::json;

use self::portal::Portal;
use super::{OK, output, people};
use crate::{
    api::{GROUP, VERSION},
    manifests::schema,
    model::Email,
};

/// Write example files for a new portal
///
/// The files contain one catalog, store and account, a role, a group and two people. Comments explain each part and its
/// alternatives. No cluster and no store are needed. Existing files are never replaced.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  roster init\n  roster init shop --name shop --owner olivia@shop.example")]
pub struct Args {
    /// Folder to write into; it is created if it does not exist
    #[arg(value_name = "DIR", default_value = "access")]
    folder: PathBuf,

    /// Name of the account and of the portal's catalog
    #[arg(long, value_name = "NAME", default_value = "acme", value_parser = label)]
    name: String,

    /// Namespace of the account and its people [default: the name]
    #[arg(short, long, value_name = "NS", value_parser = label)]
    namespace: Option<String>,

    /// Address of the account's owner; without it, `owner@NAME.example`
    #[arg(long, value_name = "EMAIL", value_parser = owner)]
    owner: Option<Email>,
}

/// Parses a DNS label, which is used as the name of objects, a namespace and a host.
fn label(text: &str) -> Result<String, String> {
    let is_inner = |letter: u8| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == b'-';
    let is_label = (1..=63).contains(&text.len()) && text.bytes().all(is_inner);
    if is_label && !text.starts_with('-') && !text.ends_with('-') {
        Ok(text.to_owned())
    } else {
        Err("must be a DNS label: at most 63 lower-case letters, digits and inner hyphens".to_owned())
    }
}

/// Parses an address that the API server accepts.
fn owner(text: &str) -> Result<Email, String> {
    let email = people::email(text)?;
    let account = json!({
        "apiVersion": format!("{GROUP}/{VERSION}"), "kind": "Account", "metadata": {"name": "a", "namespace": "a"},
        "spec": {"catalogRef": {"name": "a"}, "owner": {"email": email}},
    });
    match schema::check(&account).first() {
        Some(problem) => Err(problem.message.clone()),
        None => Ok(email),
    }
}

pub fn run(args: &Args) -> anyhow::Result<u8> {
    let portal = Portal {
        name: &args.name,
        namespace: args.namespace.as_deref().unwrap_or(&args.name),
        owner: args.owner.as_ref().map_or_else(|| format!("owner@{}.example", args.name), ToString::to_string),
    };
    let files = portal.files();
    for file in &files {
        let path = args.folder.join(file.name);
        ensure!(fs::symlink_metadata(&path).is_err(), "{}: exists already; choose another folder", path.display());
    }
    let folder = &args.folder;
    fs::create_dir_all(folder).with_context(|| format!("cannot create the folder {}", folder.display()))?;
    for file in &files {
        let path = folder.join(file.name);
        // Whoever made the file meanwhile keeps it.
        let written = File::create_new(&path).and_then(|mut to| to.write_all(file.text.as_bytes()));
        written.with_context(|| format!("cannot write {}", path.display()))?;
    }
    output::print(&next_steps(&portal, folder, &files))?;
    Ok(OK)
}

/// Returns the text about the written files and the next commands.
fn next_steps(portal: &Portal<'_>, folder: &Path, files: &[portal::File]) -> String {
    let mut text = format!("Wrote a portal with the account {}/{}:\n\n", portal.namespace, portal.name);
    let wide = files.iter().map(|file| file.name.len()).max().unwrap_or_default();
    for file in files {
        let path = folder.join(file.name);
        let space = " ".repeat(wide - file.name.len());
        let _ = writeln!(text, "  {}{space}  {}", path.display(), file.about);
    }
    let folder = quoted(folder);
    let steps = [
        (format!("roster validate -f {folder}"), "are the files valid?"),
        (format!("roster matrix -f {folder} --account {} --rows people", portal.name), "who may do what?"),
        (format!("roster plan -f {folder} --store try.db"), "who would gain and lose what?"),
        (format!("roster apply -f {folder} --store try.db"), "write the store"),
    ];
    let wide = steps.iter().map(|(command, _)| command.chars().count()).max().unwrap_or_default();
    text += "\nNow, without any cluster:\n\n";
    for (command, why) in steps {
        let _ = writeln!(text, "  {command:wide$}  # {why}");
    }
    let _ = write!(
        text,
        "\nThen replace the sections in catalog.yaml by those of your portal, and the people in people.yaml by \
         yours.\nOn a cluster with Roster, apply the same files: kubectl apply -f {folder}\n"
    );
    text
}

/// Quotes a path for a shell if needed.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |letter: char| letter.is_alphanumeric() || "/._-+@%".contains(letter);
    if text.chars().all(is_plain) && !text.starts_with('-') {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_dns_label() {
        for good in ["acme", "a", "7", "my-shop-2", &"a".repeat(63)] {
            assert_eq!(label(good).as_deref(), Ok(good));
        }
        for bad in ["", "Acme", "-a", "a-", "a.b", "a b", "ä", &"a".repeat(64)] {
            assert!(label(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_owner_is_one_that_the_api_server_takes() {
        assert_eq!(owner("Olivia@Acme.Example").unwrap().to_string(), "olivia@acme.example");
        for bad in ["olivia", "a..b@acme.example", ".a@acme.example", "a@", "a@b@c"] {
            assert!(owner(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_folder_is_quoted_for_a_shell() {
        assert_eq!(quoted(Path::new("my/access-1")), "my/access-1");
        assert_eq!(quoted(Path::new("it's mine")), r"'it'\''s mine'");
        assert_eq!(quoted(Path::new("-f")), "'-f'");
    }
}
