//! Runs every kubectl command of the runbook and the operations documents, on a real API server. Commands that would
//! change something are run as a dry run.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::lifecycle::Site;

const DOCUMENTS: [&str; 6] = [
    "docs/runbook.md",
    "docs/api-versioning.md",
    "docs/operations/backup-and-restore.md",
    "docs/operations/moving.md",
    "docs/operations/uninstall.md",
    "docs/operations/upgrade.md",
];

/// Names that commands have for what is the reader's; the longer ones first.
fn filled(line: &str, site: &Site<'_>) -> String {
    let it = site.name();
    let names = [
        ("NAMESPACE", it),
        ("MEMBERSHIP", "dana"),
        ("NEWSTORE", it),
        ("CATALOG", it),
        ("ACCOUNT", "acme"),
        ("STORE", it),
        ("HASH", "0123456789abcdef"),
    ];
    // Column titles are not the reader's.
    if let Some((command, columns)) = line.split_once("custom-columns=") {
        return format!("{}custom-columns={columns}", filled(command, site));
    }
    let line = names.iter().fold(line.to_owned(), |line, (name, value)| line.replace(name, value));
    line.replace("/NAME", "/acme")
}

#[tokio::test]
async fn every_kubectl_command_of_the_documents_works() {
    let site = Site::shared("documents").await;
    site.store("").await;
    site.account("acme", "").await;
    site.member("dana", "viewer").await;
    site.members_ready(&["dana"]).await;
    site.ready("Account", "acme").await;
    let kubectl = site.plane().kubectl_command();
    let folder = Path::new(kubectl.get_program()).parent().unwrap();
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    let mut seen = 0;
    for name in DOCUMENTS {
        let document = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap();
        let blocks = document.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
        let lines = blocks.flat_map(str::lines).filter(|line| line.starts_with("kubectl "));
        for line in lines {
            let (command, _) = line.split_once(" | ").or_else(|| line.split_once(" > ")).unwrap_or((line, ""));
            let verb = command.split(' ').nth(1).unwrap();
            let more = match verb {
                "get" | "wait" => "",
                "annotate" | "patch" | "delete" => " --dry-run=server",
                // There are no pods here, and no file of the reader's.
                "logs" | "exec" | "apply" => continue,
                other => panic!("{name}: is {other} to be run? {line}"),
            };
            let script = format!("{}{more}", filled(command, &site));
            let mut bash = Command::new("bash");
            bash.args(["-c", &script]).env("PATH", &path);
            for (key, value) in kubectl.get_envs().filter_map(|(key, value)| Some((key, value?))) {
                bash.env(key, value);
            }
            let output = tokio::task::spawn_blocking(move || bash.output().unwrap()).await.unwrap();
            assert!(output.status.success(), "{name}: {script}\n{}", String::from_utf8_lossy(&output.stderr));
            seen += 1;
        }
    }
    assert!(seen > 60, "{seen}");
}
