//! Tests that Containerfile, chart and release agree with the image.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::built::{IMAGE, judging};
use crate::support::parse_yaml;
use crate::support::tools::{repository, stderr_of, stdout_of, tool};

fn containerfile() -> Value {
    serde_json::from_str(&stdout_of(judging("containerfile").arg("Containerfile"))).unwrap()
}

/// Returns the arguments of an instruction of a stage.
fn instructions<'a>(stage: &'a Value, name: &str) -> Vec<&'a Value> {
    let all = stage["Commands"].as_array().unwrap().iter();
    all.filter(|one| one["Name"] == name).map(|one| &one["What"]).collect()
}

#[test]
fn the_containerfile_makes_the_same_image() {
    let file = containerfile();
    let stages = file["Stages"].as_array().unwrap();
    let [.., build, last] = &stages[..] else { panic!("{file:#}") };
    let config = &IMAGE.config["config"];
    assert_eq!(last["Base"], "scratch");
    assert_eq!(instructions(last, "USER")[0]["User"], config["User"]);
    assert_eq!(instructions(last, "ENTRYPOINT")[0]["CmdLine"], config["Entrypoint"]);
    assert_eq!(instructions(last, "WORKDIR")[0]["Path"], config["WorkingDir"]);
    for none in ["RUN", "CMD", "ENV", "EXPOSE", "VOLUME"] {
        assert_eq!(instructions(last, none).len(), 0, "{none}");
    }
    // The same files, by the same script.
    let copied = instructions(last, "COPY");
    assert_eq!(copied.len(), 1);
    assert_eq!((&copied[0]["From"], &copied[0]["DestPath"]), (&build["Name"], &"/".into()));
    let folder = copied[0]["SourcePaths"][0].as_str().unwrap().trim_end_matches('/');
    let run = instructions(build, "RUN").last().unwrap()["CmdLine"][0].clone();
    assert_eq!(run, format!("image/rootfs.sh {folder}"));

    // What a script takes in is there before the script is run: the sources as a whole come later.
    let tools = fs::read_to_string(repository("image/tools.sh")).unwrap();
    let sourced: Vec<&str> = tools.lines().filter_map(|line| line.strip_prefix("source \"$here/../")).collect();
    assert!(!sourced.is_empty());
    let early: Vec<_> = instructions(build, "COPY").iter().map(|copy| copy["SourcePaths"][0].clone()).collect();
    for file in sourced {
        assert!(early.iter().any(|copied| copied == file.trim_end_matches('"')), "{file}: {early:?}");
    }

    let mut labels = config["Labels"].as_object().unwrap().clone();
    labels.entry("org.opencontainers.image.source").or_insert("".into());
    let written = instructions(last, "LABEL")[0]["Labels"].as_array().unwrap();
    assert_eq!(written.len(), labels.len());
    for label in written {
        let value = label["Value"].as_str().unwrap().trim_matches('"');
        let name = label["Key"].as_str().unwrap();
        if let Some(argument) = value.strip_prefix("${") {
            let argument = argument.trim_end_matches('}');
            let declared = instructions(last, "ARG");
            assert!(declared.iter().any(|one| one["Args"][0]["Key"] == argument), "{argument}");
        } else {
            assert_eq!(value, labels[name], "{name}");
        }
    }

    let toolchain = fs::read_to_string(repository("rust-toolchain.toml")).unwrap();
    let version = toolchain.lines().find_map(|line| line.strip_prefix("channel = ")).unwrap().trim_matches('"');
    let base = file["Arguments"].as_array().unwrap().iter().find(|one| one["Key"] == "RUST_IMAGE").unwrap();
    assert!(base["Value"].as_str().unwrap().starts_with(&format!("rust:{version}-")), "{base}");
    let environment = instructions(build, "ENV")[0]["Env"].as_array().unwrap();
    assert!(environment.iter().any(|one| one["Key"] == "RUSTUP_TOOLCHAIN" && one["Value"] == version));
}

#[test]
fn the_image_has_every_store() {
    let about = stdout_of(
        Command::new(env!("CARGO"))
            .args(["metadata", "--no-deps", "--format-version", "1"])
            .current_dir(repository("")),
    );
    let about: Value = serde_json::from_str(&about).unwrap();
    let packages = about["packages"].as_array().unwrap();
    let roster = packages.iter().find(|one| one["name"] == "roster").unwrap();
    let mut features = roster["features"].as_object().unwrap().clone();
    let default = features.remove("default").unwrap();
    let mut default: Vec<_> = default.as_array().unwrap().iter().map(|one| one.as_str().unwrap().to_owned()).collect();
    default.sort();
    assert_eq!(default, features.keys().cloned().collect::<Vec<_>>(), "the image is built with the default features");
}

#[test]
fn the_chart_runs_it_as_it_is_meant_to_be_run() {
    let rendered: Vec<Value> = parse_yaml(&stdout_of(tool("helm").args(["template", "roster", "charts/roster"])));
    let workload = rendered.iter().find(|one| one["kind"] == "StatefulSet").unwrap();
    let pod = &workload["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    let config = &IMAGE.config["config"];
    let (name, version) = container["image"].as_str().unwrap().split_once(':').unwrap();
    assert_eq!(name, config["Labels"]["org.opencontainers.image.title"]);
    assert_eq!(version, config["Labels"]["org.opencontainers.image.version"]);
    let context = &pod["securityContext"];
    assert_eq!(config["User"], format!("{}:{}", context["runAsUser"], context["runAsGroup"]));
    assert_eq!(container["command"], Value::Null, "the image's entrypoint is run");
    // Where a volume is mounted, the image has the folder: a runtime cannot make it below a read-only root.
    let mount = container["volumeMounts"][0]["mountPath"].as_str().unwrap();
    let listed = stdout_of(Command::new("tar").arg("-tzf").arg(IMAGE.layer()));
    assert!(listed.lines().any(|line| format!("/{line}") == format!("{mount}/")), "{mount}: {listed}");
}

#[test]
fn the_release_is_without_fault_and_pins_what_it_uses() {
    let file = ".github/workflows/release.yaml";
    stdout_of(judging("actionlint").args(["-no-color", file]));
    let text = fs::read_to_string(repository(file)).unwrap();
    let mut used = 0;
    for line in text.lines().filter_map(|line| line.trim().strip_prefix("- uses: ")) {
        let (_, commit) = line.split_once('@').unwrap();
        let (commit, version) = commit.split_once(" # v").unwrap_or_else(|| panic!("{line}: of which version?"));
        assert!(commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit()), "{line}");
        assert!(version.starts_with(|c: char| c.is_ascii_digit()), "{line}");
        used += 1;
    }
    assert!(used > 5, "{used}");
    for script in ["scripts/tag.sh", "scripts/publish.sh", "image/tools.sh", "tests/helm/build.sh"] {
        assert!(text.contains(script) && repository(script).exists(), "{script}");
    }
}

#[test]
fn a_tag_is_the_version_of_everything() {
    let tag = |tag: &str| Command::new(repository("scripts/tag.sh")).arg(tag).output().unwrap();
    assert!(tag(concat!("v", env!("CARGO_PKG_VERSION"))).status.success());
    let other = stderr_of(&tag("v99.0.0"));
    for place in ["Cargo.toml", "charts/roster/Chart.yaml", "charts/roster-access/Chart.yaml (appVersion)"] {
        assert!(other.contains(&format!("but {place} says")), "{other}");
    }
}
