//! Runs the commands of a document, and compares what they print with the document. Used by the tests of README,
//! tutorials and store documents.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

const OPENING: &str = "```console\n";
/// Mark before a block that is a file next to the commands.
const FILE: &str = "<!-- file: ";
const BETWEEN: char = '\u{1e}';

/// Environment in which the commands are run.
pub struct Setting<'a> {
    pub folder: &'a Path,
    /// A folder of programs besides those of the machine.
    pub programs: Option<&'a Path>,
    pub environment: Vec<(&'a str, String)>,
    /// Names in the document, and the real values here.
    pub names: Vec<(&'a str, String)>,
    /// Blocks with one of these are left as they are.
    pub without: &'a [&'a str],
}

impl Setting<'_> {
    fn real(&self, text: &str) -> String {
        self.names.iter().fold(text.to_owned(), |text, (name, real)| text.replace(name, real))
    }

    fn normalized(&self, text: &str) -> String {
        self.names.iter().fold(text.to_owned(), |text, (name, real)| text.replace(real, name))
    }

    /// Returns the output of each command. They share one shell, so variables of one command exist in the next.
    fn run(&self, commands: &[String]) -> Vec<String> {
        let mut script = "exec 2>&1 </dev/null\n".to_owned();
        for command in commands {
            // `$?` is that of the command before.
            let _ = writeln!(script, "__=$?; printf '\\036'; (exit $__)\n{}", self.real(command));
        }
        let binary = Path::new(env!("CARGO_BIN_EXE_roster")).parent().unwrap();
        let folders = [Some(binary), self.programs].into_iter().flatten().map(Path::to_owned);
        let path = std::env::var_os("PATH").unwrap();
        let path = std::env::join_paths(folders.chain(std::env::split_paths(&path))).unwrap();
        let mut bash = Command::new("bash");
        bash.args(["-c", &script]).current_dir(self.folder).env("PATH", path);
        bash.env("HOME", self.folder).env("ROSTER_NOW", "2026-11-24T12:00:00Z");
        bash.env_remove("KUBECONFIG").env_remove("RUST_LOG").envs(self.environment.iter().cloned());
        let printed = String::from_utf8(bash.output().expect("bash starts").stdout).unwrap();
        printed.split(BETWEEN).skip(1).map(|printed| self.normalized(printed)).collect()
    }
}

/// Returns the document with the actual output of its commands, run in order in one folder with a copy of `examples/`.
pub fn run_document(document: &str, setting: &Setting<'_>) -> String {
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("examples"), &setting.folder.join("examples"));
    for file in document.split(FILE).skip(1) {
        let (name, rest) = file.split_once(" -->\n").expect("a mark that ends");
        let (_, content) = rest.split_once('\n').expect("a block");
        fs::write(setting.folder.join(name), setting.real(content.split("```").next().unwrap())).unwrap();
    }
    let blocks: Vec<&str> = document.split(OPENING).skip(1).map(|after| after.split("```").next().unwrap()).collect();
    let is_run = |block: &str| !setting.without.iter().any(|word| block.contains(word));
    let all: Vec<String> = blocks.iter().filter(|block| is_run(block)).flat_map(|block| commands(block)).collect();
    let mut printed = setting.run(&all).into_iter();
    let mut actual = document.split(OPENING).next().unwrap().to_owned();
    for after in document.split(OPENING).skip(1) {
        let (block, rest) = after.split_once("```").expect("a block that ends");
        actual += OPENING;
        if is_run(block) {
            for command in commands(block) {
                let printed = printed.next().expect("the shell goes on to the end");
                let end = if printed.is_empty() || printed.ends_with('\n') { "" } else { "\n" };
                actual += &format!("$ {command}\n{printed}{end}");
            }
        } else {
            actual += block;
        }
        actual += &format!("```{rest}");
    }
    actual
}

/// Returns the commands of a block, without their output. A line that ends with `\` continues in the next one.
fn commands(block: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut lines = block.lines();
    while let Some(line) = lines.next() {
        let Some(command) = line.strip_prefix("$ ") else {
            assert!(!found.is_empty(), "a block begins with a command: {line}");
            continue;
        };
        let mut command = command.to_owned();
        while command.ends_with('\\') {
            command = format!("{command}\n{}", lines.next().expect("a command that ends"));
        }
        found.push(command);
    }
    found
}

/// Fails if the documented output differs from the actual one; with `ROSTER_UPDATE` rewrites the document.
pub fn assert_commands_print_what_is_written(name: &str, setting: &Setting<'_>) {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    let document = fs::read_to_string(&path).unwrap();
    let actual = run_document(&document, setting);
    if std::env::var_os("ROSTER_UPDATE").is_some() {
        fs::write(&path, actual).unwrap();
    } else {
        assert_eq!(document, actual, "{name}: run the test again with ROSTER_UPDATE=1 and read what changed");
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target)
        } else {
            fs::copy(entry.path(), &target).map(drop).unwrap()
        }
    }
}
