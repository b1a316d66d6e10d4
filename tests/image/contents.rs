//! Tests the contents of the image, and its labels and annotations.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::built::{IMAGE, Image, blob};
use crate::support::tools::{repository, stdout_of};

#[test]
fn nothing_is_in_it_but_what_roster_needs() {
    let listed = stdout_of(Command::new("tar").env("TZ", "UTC").args(["--numeric-owner", "-tvzf"]).arg(IMAGE.layer()));
    let created = IMAGE.config["created"].as_str().unwrap();
    let found: Vec<_> = listed
        .lines()
        .map(|line| {
            let words: Vec<_> = line.split_whitespace().collect();
            let [mode, owner, _, day, minute, path] = words[..] else { panic!("{line}") };
            assert_eq!(format!("{day}T{minute}"), created[..16], "{line}");
            format!("{mode} {owner} {path}")
        })
        .collect();
    let wanted = [
        "drwxr-xr-x 0/0 etc/",
        "drwxr-xr-x 0/0 etc/ssl/",
        "drwxr-xr-x 0/0 etc/ssl/certs/",
        "-rw-r--r-- 0/0 etc/ssl/certs/ca-certificates.crt",
        "-rwxr-xr-x 0/0 roster",
        "drwxr-xr-x 0/0 usr/",
        "drwxr-xr-x 0/0 usr/share/",
        "drwxr-xr-x 0/0 usr/share/doc/",
        "drwxr-xr-x 0/0 usr/share/doc/roster/",
        "-rw-r--r-- 0/0 usr/share/doc/roster/LICENSE",
        "-rw-r--r-- 0/0 usr/share/doc/roster/roster.cdx.json",
        "drwxr-xr-x 0/0 var/",
        "drwxr-xr-x 0/0 var/lib/",
        "drwx------ 65532/65532 var/lib/roster/",
    ];
    assert_eq!(found, wanted);
    assert_eq!(IMAGE.file("usr/share/doc/roster/LICENSE"), fs::read(repository("LICENSE")).unwrap());
}

#[test]
fn the_binary_needs_no_library_and_knows_nothing_of_the_machine_it_was_built_on() {
    let folder = tempfile::tempdir().unwrap();
    let binary = folder.path().join("roster");
    fs::write(&binary, IMAGE.file("roster")).unwrap();
    let headers = stdout_of(Command::new("readelf").args(["--wide", "--program-headers", "--dynamic"]).arg(&binary));
    assert!(headers.contains("LOAD"), "{headers}");
    for dynamic in ["INTERP", "(NEEDED)"] {
        assert!(!headers.contains(dynamic), "{headers}");
    }
    let bytes = fs::read(&binary).unwrap();
    let has = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(has("/cargo/registry/src/"), "paths of dependencies are remapped, not gone");
    let home = std::env::var("CARGO_HOME").unwrap_or_else(|_| format!("{}/.cargo", std::env::var("HOME").unwrap()));
    for path in [env!("CARGO_MANIFEST_DIR"), &home] {
        assert!(!has(path), "{path} is in the binary");
    }
}

#[test]
fn it_trusts_the_authorities_that_mozilla_trusts() {
    let file = IMAGE.file("etc/ssl/certs/ca-certificates.crt");
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&file).map(Result::unwrap).collect();
    let (taken, ignored) = rustls::RootCertStore::empty().add_parsable_certificates(certificates);
    assert!(taken >= 100, "{taken}");
    assert_eq!(ignored, 0);
}

#[test]
fn it_says_what_it_is() {
    let config = &IMAGE.config["config"];
    assert_eq!(IMAGE.config["os"], "linux");
    assert_eq!(IMAGE.config["architecture"], crate::built::ARCHITECTURE);
    assert_eq!(config["User"], "65532:65532");
    assert_eq!(config["Entrypoint"], json!(["/roster"]));
    assert_eq!(config["Cmd"], Value::Null);
    assert_eq!(config["Env"], Value::Null, "nothing of the machine");
    let labels = &config["Labels"];
    assert_eq!(labels, &IMAGE.manifest["annotations"]);
    let label = |name: &str| labels[format!("org.opencontainers.image.{name}")].as_str().unwrap();
    assert_eq!(label("title"), env!("CARGO_PKG_NAME"));
    assert_eq!(label("description"), env!("CARGO_PKG_DESCRIPTION"));
    assert_eq!(label("version"), env!("CARGO_PKG_VERSION"));
    assert_eq!(label("licenses"), env!("CARGO_PKG_LICENSE"));
    assert_eq!(label("created"), IMAGE.config["created"]);
    let git = |args: &[&str]| stdout_of(Command::new("git").args(args).current_dir(repository(""))).trim().to_owned();
    assert_eq!(label("revision").trim_end_matches("-dirty"), git(&["rev-parse", "HEAD"]));
    let at: jiff::Timestamp = label("created").parse().unwrap();
    assert_eq!(at.as_second().to_string(), git(&["log", "-1", "--format=%ct"]));
    // History is of one date, too.
    for entry in IMAGE.config["history"].as_array().unwrap() {
        assert_eq!(entry["created"], IMAGE.config["created"]);
    }
}

#[test]
fn each_blob_matches_its_digest_and_none_is_unused() {
    let manifest = &IMAGE.manifest;
    let mut named: BTreeSet<_> = [&manifest["config"], &manifest["layers"][0]]
        .map(|one| one["digest"].as_str().unwrap().to_owned())
        .into_iter()
        .collect();
    named.insert(IMAGE.digest.clone());
    for digest in &named {
        let content = fs::read(blob(&IMAGE.layout, digest)).unwrap();
        let sum = Sha256::digest(&content).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(digest, &format!("sha256:{sum}"));
    }
    let there = fs::read_dir(IMAGE.layout.join("blobs/sha256")).unwrap().count();
    assert_eq!(there, named.len());
    // The archive is the layout.
    let folder = tempfile::tempdir().unwrap();
    stdout_of(Command::new("tar").arg("-xf").arg(&IMAGE.archive).arg("-C").arg(folder.path()));
    stdout_of(Command::new("diff").arg("-r").arg(folder.path()).arg(&IMAGE.layout));
}

/// Another day, another place, another user's habits.
fn again(out: &Path) -> Image {
    let script = format!("umask 077; exec {}", repository("scripts/image.sh").display());
    stdout_of(
        Command::new("bash")
            .args(["-c", &script])
            .env("ROSTER_IMAGE_OUT", out)
            .env("TZ", "Pacific/Chatham")
            .env("LC_ALL", "C")
            .current_dir("/"),
    );
    Image::in_folder(out)
}

#[test]
fn a_second_build_is_byte_identical() {
    let folder = tempfile::tempdir().unwrap();
    let second = again(folder.path());
    assert_eq!(second.digest, IMAGE.digest);
    assert!(fs::read(&second.archive).unwrap() == fs::read(&IMAGE.archive).unwrap(), "the archives differ");
    assert!(fs::read(&second.materials).unwrap() == fs::read(&IMAGE.materials).unwrap(), "the materials differ");
}
