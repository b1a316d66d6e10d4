//! A container of the image, run by runc as a kubelet would run it for a pod. Used by `run`.

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::built::{IMAGE, json};

/// Spec of the container in a pod, and its mounts.
pub struct Pod {
    /// Fields as in a pod's spec.
    spec: Value,
    environment: Vec<String>,
    /// Mounts: path in the container, path on this machine, and whether it is writable.
    mounts: Vec<(String, PathBuf, bool)>,
}

impl Pod {
    pub fn new(spec: Value) -> Self {
        let mut pod = Self { spec, environment: vec![], mounts: vec![] };
        // A kubelet writes these.
        for file in ["/etc/hosts", "/etc/resolv.conf"] {
            pod = pod.mount(file, Path::new(file));
        }
        pod
    }

    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push(format!("{name}={value}"));
        self
    }

    pub fn mount(mut self, at: &str, what: &Path) -> Self {
        self.mounts.push((at.to_owned(), what.to_owned(), false));
        self
    }

    /// A volume that `fsGroup` was applied to: the container's group may write, nobody else.
    pub fn volume(mut self, at: &str, what: &Path) -> Self {
        let group = u32::try_from(self.spec["securityContext"]["fsGroup"].as_u64().unwrap()).unwrap();
        fs::create_dir_all(what).unwrap();
        chown(what, Some(0), Some(group)).unwrap();
        fs::set_permissions(what, fs::Permissions::from_mode(0o2770)).unwrap();
        self.mounts.push((at.to_owned(), what.to_owned(), true));
        self
    }

    fn container(&self) -> &Value {
        &self.spec["containers"][0]
    }

    /// Runs it with the pod's arguments until it ends.
    pub fn output(&self) -> Output {
        let bundle = self.bundle();
        let id = id(&bundle);
        runc(&bundle).args(["run", "--bundle"]).arg(bundle.path()).arg(id).stdin(Stdio::null()).output().unwrap()
    }

    /// Starts it; its log goes to a file.
    pub fn start(&self, log: &Path) -> Container {
        let bundle = self.bundle();
        let file = File::create(log).unwrap();
        let mut command = runc(&bundle);
        command.args(["run", "--bundle"]).arg(bundle.path()).arg(id(&bundle));
        let child = command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file).spawn().unwrap();
        Container { bundle, child, log: log.to_owned() }
    }

    /// The image's files, and how they are to be run: what the image says, and on top of it what the pod says.
    fn bundle(&self) -> TempDir {
        // The user that runs the container must be able to reach the folder.
        let parent = Path::new(env!("CARGO_TARGET_TMPDIR")).join("image");
        fs::create_dir_all(&parent).unwrap();
        let bundle = tempfile::Builder::new().prefix("roster-image-").tempdir_in(parent).unwrap();
        fs::set_permissions(bundle.path(), fs::Permissions::from_mode(0o755)).unwrap();
        IMAGE.unpack(bundle.path());
        let file = bundle.path().join("config.json");
        let mut config = json(&file);
        let context = &self.container()["securityContext"];
        assert_eq!(context["capabilities"]["drop"], json!(["ALL"]), "as it is run here");

        let process = &mut config["process"];
        process["terminal"] = false.into();
        process["capabilities"] = json!({});
        process["noNewPrivileges"] = (context["allowPrivilegeEscalation"] == json!(false)).into();
        let arguments = process["args"].as_array_mut().unwrap();
        arguments.extend(self.container()["args"].as_array().into_iter().flatten().cloned());
        process["env"].as_array_mut().unwrap().extend(self.environment.iter().map(|one| one.as_str().into()));
        if let Some(user) = self.spec["securityContext"]["runAsUser"].as_u64() {
            process["user"]["uid"] = user.into();
        }
        if let Some(group) = self.spec["securityContext"]["fsGroup"].as_u64() {
            process["user"]["additionalGids"] = json!([group]);
        }
        config["root"]["readonly"] = context["readOnlyRootFilesystem"].clone();
        // The control plane is on this machine's loopback.
        let namespaces = config["linux"]["namespaces"].as_array_mut().unwrap();
        namespaces.retain(|one| one["type"] != "network" && one["type"] != "cgroup");
        let mounts = config["mounts"].as_array_mut().unwrap();
        mounts.retain(|one| one["type"] != "cgroup" && one["type"] != "mqueue");
        for (at, what, writable) in &self.mounts {
            let right = if *writable { "rw" } else { "ro" };
            let options = ["rbind", "nosuid", "nodev", "noexec", right];
            mounts.push(json!({"destination": at, "source": what, "type": "bind", "options": options}));
        }
        fs::write(&file, config.to_string()).unwrap();
        bundle
    }
}

fn id(bundle: &TempDir) -> String {
    bundle.path().file_name().unwrap().to_str().unwrap().to_owned()
}

/// The runtime, with a state of this bundle's own.
fn runc(bundle: &TempDir) -> Command {
    let mut command = Command::new("runc");
    command.arg("--root").arg(bundle.path().join("state"));
    command
}

/// A running container, killed when it is dropped.
pub struct Container {
    bundle: TempDir,
    child: Child,
    log: PathBuf,
}

impl Container {
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Returns the exit status, if the container has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Stops the container as a kubelet does.
    pub fn stop(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.child.wait().unwrap()
    }

    fn signal(&self, signal: &str) {
        let _ = runc(&self.bundle).args(["kill", &id(&self.bundle), signal]).output();
    }

    /// Returns a line of `/proc/PID/status` for the first process of the container, as the machine sees it.
    pub fn status(&self, name: &str) -> String {
        let state = runc(&self.bundle).args(["state", &id(&self.bundle)]).output().unwrap();
        let state: Value = serde_json::from_slice(&state.stdout).unwrap();
        let status = fs::read_to_string(format!("/proc/{}/status", state["pid"])).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(&format!("{name}:"))).unwrap();
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        if self.ended().is_none() {
            self.signal("KILL");
            let _ = self.child.wait();
        }
        let _ = runc(&self.bundle).args(["delete", "--force", &id(&self.bundle)]).output();
    }
}
