//! Finds the built files, and the programs that inspect them. Used by the other modules.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use serde_json::Value;

use crate::support::tools::{repository, stdout_of};

/// The image.
pub static IMAGE: LazyLock<Image> = LazyLock::new(|| {
    let out = std::env::var_os("ROSTER_IMAGE").map(PathBuf::from).unwrap_or_else(|| {
        stdout_of(&mut Command::new(repository("scripts/image.sh")));
        repository("target/image")
    });
    Image::in_folder(&out)
});

static TOOLS: LazyLock<PathBuf> = LazyLock::new(|| built("image/tools.sh"));
static LINT: LazyLock<PathBuf> = LazyLock::new(|| built("tests/image/build.sh"));

fn built(script: &str) -> PathBuf {
    stdout_of(&mut Command::new(repository(script))).trim().into()
}

/// One of the programs that make images.
pub fn making(name: &str) -> Command {
    Command::new(TOOLS.join(name))
}

/// One of the programs that judge what is written.
pub fn judging(name: &str) -> Command {
    let mut command = Command::new(LINT.join(name));
    command.current_dir(repository(""));
    command
}

/// Is it a document of CycloneDX?
pub fn judging_materials(file: &Path) -> Command {
    let mut command = Command::new("node");
    command.arg(LINT.join("sbom.js")).arg(file);
    command
}

/// OCI's name of this machine's architecture.
pub const ARCHITECTURE: &str = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };

pub struct Image {
    /// The OCI layout, as a folder and as one file.
    pub layout: PathBuf,
    pub archive: PathBuf,
    /// The bill of materials beside it.
    pub materials: PathBuf,
    /// Digest of its manifest.
    pub digest: String,
    pub manifest: Value,
    pub config: Value,
}

impl Image {
    pub fn in_folder(out: &Path) -> Self {
        let name = format!("roster-{}-{ARCHITECTURE}", env!("CARGO_PKG_VERSION"));
        let layout = out.join(&name);
        let index = json(&layout.join("index.json"));
        let digest = index["manifests"][0]["digest"].as_str().unwrap().to_owned();
        let manifest = json(&blob(&layout, &digest));
        let config = json(&blob(&layout, manifest["config"]["digest"].as_str().unwrap()));
        Self {
            archive: out.join(format!("{name}.oci.tar")),
            materials: out.join(format!("{name}.cdx.json")),
            layout,
            digest,
            manifest,
            config,
        }
    }

    /// Its only layer.
    pub fn layer(&self) -> PathBuf {
        assert_eq!(self.manifest["layers"].as_array().unwrap().len(), 1);
        blob(&self.layout, self.manifest["layers"][0]["digest"].as_str().unwrap())
    }

    /// Its files, and how a runtime is to run it, in a new folder.
    pub fn unpack(&self, bundle: &Path) {
        let image = format!("{}:{}", self.layout.display(), env!("CARGO_PKG_VERSION"));
        stdout_of(making("umoci").args(["unpack", "--image", &image]).arg(bundle));
    }

    /// One of its files.
    pub fn file(&self, path: &str) -> Vec<u8> {
        let out = Command::new("tar").args(["-xzOf"]).arg(self.layer()).arg(path).output().unwrap();
        assert!(out.status.success(), "{path}: {}", String::from_utf8_lossy(&out.stderr));
        out.stdout
    }
}

pub fn blob(layout: &Path, digest: &str) -> PathBuf {
    layout.join("blobs").join(digest.replace(':', "/"))
}

pub fn json(file: &Path) -> Value {
    serde_json::from_slice(&fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))).unwrap()
}
