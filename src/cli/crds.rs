//! `roster crds`.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::api;

/// Print the definitions of the seven kinds, or write them as files
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  roster crds | kubectl apply --server-side -f -\n  roster crds --output crds/")]
pub struct Args {
    /// Write one file for each kind into this folder instead; it is made if it is not there
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
}

pub fn run(args: &Args) -> anyhow::Result<u8> {
    match &args.output {
        Some(folder) => write(folder)?,
        None => print()?,
    }
    Ok(super::OK)
}

fn print() -> anyhow::Result<()> {
    match io::stdout().write_all(api::crds_yaml()?.as_bytes()) {
        // `roster crds | head` has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("cannot write to standard output"),
    }
}

fn write(folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    for (name, content) in api::crds_files()? {
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
        write(&folder).unwrap();
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
        let error = write(&file.path().join("crds")).unwrap_err().to_string();
        assert!(error.starts_with("cannot make the folder /"), "{error}");
    }
}
