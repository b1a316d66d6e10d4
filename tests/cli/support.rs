//! Runs the binary and captures its output. Used by all tests of this folder.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

/// One run of `roster`, from the repository's root by default.
pub struct Roster {
    command: Command,
    stdin: Option<String>,
}

/// A path in the repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// `roster` with these arguments, split at spaces.
pub fn roster(arguments: &str) -> Roster {
    let mut command = Command::new(env!("CARGO_BIN_EXE_roster"));
    command.args(arguments.split_whitespace()).current_dir(repository(""));
    // The output must not depend on the machine.
    for name in ["KUBECONFIG", "RUST_LOG", "COLUMNS", "CLICOLOR_FORCE", "KUBERNETES_SERVICE_HOST", "NO_COLOR"] {
        command.env_remove(name);
    }
    command.env("HOME", "/nonexistent");
    Roster { command, stdin: None }
}

impl Roster {
    /// One more argument, spaces included.
    pub fn arg(mut self, argument: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    /// Runs in another folder.
    pub fn within(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// An environment variable.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Sets the standard input.
    pub fn stdin(mut self, text: &str) -> Self {
        self.stdin = Some(text.to_owned());
        self
    }

    /// Runs it.
    pub fn output(mut self) -> Output {
        use std::io::Write as _;
        self.command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.command.spawn().expect("roster starts");
        let mut stdin = child.stdin.take().expect("piped");
        // One that ends early closes its input.
        let _ = stdin.write_all(self.stdin.unwrap_or_default().as_bytes());
        drop(stdin);
        child.wait_with_output().expect("roster ends")
    }

    /// Exit code, standard output and standard error, as one text to compare.
    pub fn printed(self) -> String {
        let output = self.output();
        let mut printed = String::new();
        writeln!(printed, "exit code {}", output.status.code().expect("not killed")).unwrap();
        for (name, bytes) in [("stdout", output.stdout), ("stderr", output.stderr)] {
            let text = String::from_utf8(bytes).expect("UTF-8");
            assert!(!text.contains('\u{1b}'), "colours without a terminal: {text:?}");
            if !text.is_empty() {
                write!(printed, "---- {name}\n{text}").unwrap();
            }
        }
        printed
    }
}
