//! Implements `roster crds`: writes the definitions as YAML, or the field reference as Markdown. Called by `cli::run`.

mod fields;
mod reference;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::{OK, output};
use crate::api;

/// Print the definitions of the seven kinds, or write them as files
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  roster crds | kubectl apply --server-side -f -\n  roster crds --output crds/\n  \
                  roster crds --markdown --output reference/")]
pub struct Args {
    /// Write one file for each kind into this folder; it is created if it does not exist
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,

    /// Write Markdown instead of YAML: every field with its bounds, its default and an example
    #[arg(long)]
    markdown: bool,
}

pub fn run(args: &Args) -> anyhow::Result<u8> {
    match (&args.output, args.markdown) {
        (Some(folder), false) => write(folder, api::crds_files()?)?,
        (Some(folder), true) => write(folder, reference::pages())?,
        (None, false) => output::print(&api::crds_yaml()?)?,
        (None, true) => {
            let pages: Vec<String> = reference::pages().into_iter().map(|(_, page)| page).collect();
            output::print(&pages.join("\n"))?;
        }
    }
    Ok(OK)
}

fn write(folder: &Path, files: Vec<(String, String)>) -> anyhow::Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot create the folder {}", folder.display()))?;
    for (name, content) in files {
        let file = folder.join(name);
        fs::write(&file, content).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_file_for_each_kind_is_written_into_a_new_folder() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("new/crds");
        write(&folder, api::crds_files().unwrap()).unwrap();
        let mut names: Vec<_> =
            fs::read_dir(&folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        assert_eq!(
            names,
            [
                "accessroles.yaml",
                "accounts.yaml",
                "identitystores.yaml",
                "invitations.yaml",
                "memberships.yaml",
                "permissioncatalogs.yaml",
                "usergroups.yaml"
            ]
        );
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = write(&file.path().join("crds"), Vec::new()).unwrap_err().to_string();
        assert!(error.starts_with("cannot create the folder /"), "{error}");
    }
}
