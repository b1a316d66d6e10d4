//! Identity of the file of a store, by which a replaced or deleted file is noticed. Checked by `SqliteStore` before it
//! reads or writes.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use super::error::classify;
use crate::store::StoreError;

/// Identity of the file that was opened.
#[derive(Debug)]
pub(super) struct FileId {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl FileId {
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let found = fs::metadata(path)?;
        Ok(Self { path: path.to_owned(), device: found.dev(), inode: found.ino() })
    }

    /// Checks that the path still names the open file: SQLite would continue to write into a deleted one. Takes about a
    /// microsecond, so it may block.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        let gone = |why: String| Err(StoreError::Unavailable(format!("{}: {why}", self.path.display())));
        match Self::of(&self.path) {
            Ok(found) if (found.device, found.inode) == (self.device, self.inode) => Ok(()),
            Ok(_) => gone("the file was replaced; it must be opened again".to_owned()),
            Err(error) => gone(format!("the file was deleted; it must be opened again: {error}")),
        }
    }

    /// Converts `error`, which occurred while `doing` something with the file.
    pub(super) fn failed(&self, doing: &str, error: &sqlx::Error) -> StoreError {
        classify(&format!("{}: {doing}", self.path.display()), error)
    }
}
