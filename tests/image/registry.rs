//! Tests a release: what it pushes, pushed to a real registry on this machine.

use std::fs::{self, File};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::built::{ARCHITECTURE, IMAGE, making};
use crate::support::tools::{repository, stdout_of, tool};
use crate::support::{PATIENCE, eventually};

/// A registry, ended when it is dropped.
struct Registry {
    child: Child,
    address: String,
}

impl Registry {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let child = making("crane")
            .args(["registry", "serve", "--address", "127.0.0.1:0"])
            .stdin(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let port = eventually(PATIENCE, "the registry to listen", async || {
            let output = fs::read_to_string(&log).unwrap();
            output
                .split_once("serving on port ")
                .filter(|(_, port)| port.ends_with('\n'))
                .map(|(_, port)| port.trim().to_owned())
        })
        .await;
        Self { child, address: format!("127.0.0.1:{port}") }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn a_release_is_pushed_and_the_chart_names_the_image_by_its_digest() {
    let registry = Registry::start().await;
    let (image, charts) = (format!("{}/a/roster", registry.address), format!("{}/a/charts", registry.address));
    let helm = tool("helm").get_program().to_owned();
    let path =
        format!("{}:{}", std::path::Path::new(&helm).parent().unwrap().display(), std::env::var("PATH").unwrap());
    let published = stdout_of(
        Command::new(repository("scripts/publish.sh"))
            .args([&image, &charts, "--plain-http"])
            .env("PATH", path)
            .env("ROSTER_IMAGE_OUT", IMAGE.layout.parent().unwrap())
            .env("HELM_CONFIG_HOME", env!("CARGO_TARGET_TMPDIR")),
    );
    let lines: Vec<_> = published.lines().collect();
    let [first, roster, access] = lines[..] else { panic!("{published}") };
    let crane = |args: &[&str]| stdout_of(making("crane").args(args)).trim().to_owned();
    let version = env!("CARGO_PKG_VERSION");

    let tagged = format!("{image}:{version}");
    assert_eq!(first, format!("image {image}@{}", crane(&["digest", &tagged])));
    let platform = format!("linux/{ARCHITECTURE}");
    assert_eq!(crane(&["digest", "--platform", &platform, &tagged]), IMAGE.digest, "what was built is what was pushed");
    crane(&["validate", "--remote", &tagged]);
    let index: Value = serde_json::from_str(&crane(&["manifest", &tagged])).unwrap();
    assert_eq!(index["mediaType"], "application/vnd.oci.image.index.v1+json");

    let folder = tempfile::tempdir().unwrap();
    for (chart, line) in [("roster", roster), ("roster-access", access)] {
        let reference = format!("{charts}/{chart}:{version}");
        assert_eq!(line, format!("chart {charts}/{chart}@{}", crane(&["digest", &reference])));
        stdout_of(
            tool("helm")
                .args([
                    "pull",
                    &format!("oci://{charts}/{chart}"),
                    "--version",
                    version,
                    "--plain-http",
                    "--destination",
                ])
                .arg(folder.path()),
        );
    }
    let package = folder.path().join(format!("roster-{version}.tgz"));
    let rendered = stdout_of(tool("helm").args(["template", "roster"]).arg(&package));
    let pinned = first.strip_prefix("image ").unwrap();
    assert!(rendered.contains(&format!("image: {pinned}\n")), "{pinned}");
}

#[test]
fn an_engine_that_knows_no_layouts_reads_the_archive_as_well() {
    let judged = stdout_of(making("crane").args(["validate", "--tarball"]).arg(&IMAGE.archive));
    assert!(judged.starts_with("PASS"), "{judged}");
}
