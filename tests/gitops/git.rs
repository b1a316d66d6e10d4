//! A git repository, served over HTTP by git itself. Used by `flux_portal`.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use tokio::net::TcpListener;

use crate::support::tools::stdout_of;

/// A work tree, and the repository it pushes to.
pub struct Repository {
    /// The work tree.
    pub folder: PathBuf,
    /// Address from which the repository is cloned.
    pub url: String,
}

impl Repository {
    /// A new one, with nothing in it, below this folder.
    pub async fn new(parent: &Path) -> Self {
        let (served, folder) = (parent.join("served"), parent.join("access"));
        fs::create_dir_all(&folder).unwrap();
        stdout_of(git(parent).args(["init", "-q", "--bare", "-b", "main", "served/access.git"]));
        stdout_of(git(&folder).args(["init", "-q", "-b", "main"]));
        stdout_of(git(&folder).args(["remote", "add", "origin", "../served/access.git"]));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/access.git", listener.local_addr().unwrap());
        let router = Router::new().fallback(serve).with_state(served);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { folder, url }
    }

    /// Commits the work tree as it is, pushes it, and gives the revision as Flux writes it.
    pub fn commit(&self, subject: &str) -> String {
        stdout_of(git(&self.folder).args(["add", "--all"]));
        stdout_of(git(&self.folder).args(["commit", "-q", "-m", subject]));
        self.push()
    }

    /// Takes the last commit back, by another one.
    pub fn revert(&self) -> String {
        stdout_of(git(&self.folder).args(["revert", "--no-edit", "HEAD"]));
        self.push()
    }

    fn push(&self) -> String {
        stdout_of(git(&self.folder).args(["push", "-q", "origin", "main"]));
        format!("main@sha1:{}", stdout_of(git(&self.folder).args(["rev-parse", "HEAD"])).trim())
    }

    /// Replaces a text that is there once in a file.
    pub fn edit(&self, path: &str, from: &str, to: &str) {
        let file = self.folder.join(path);
        let text = fs::read_to_string(&file).unwrap();
        assert_eq!(text.matches(from).count(), 1, "{from:?} in {text}");
        fs::write(file, text.replace(from, to)).unwrap();
    }
}

/// git with nothing of the user's.
fn git(folder: &Path) -> Command {
    let mut command = Command::new("git");
    command.current_dir(folder).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    for who in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{who}_NAME"), "Tests").env(format!("GIT_{who}_EMAIL"), "tests@git.example");
    }
    command
}

/// A request, as CGI tells it to `git http-backend`.
async fn serve(State(root): State<PathBuf>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let mut command = git(&root);
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    command
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", &root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REQUEST_METHOD", parts.method.as_str())
        .env("PATH_INFO", parts.uri.path())
        .env("QUERY_STRING", parts.uri.query().unwrap_or_default())
        .env("CONTENT_TYPE", header("content-type"))
        .env("HTTP_CONTENT_ENCODING", header("content-encoding"))
        .env("GIT_PROTOCOL", header("git-protocol"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let body = to_bytes(body, 16 << 20).await.unwrap();
    let output = tokio::task::spawn_blocking(move || {
        let mut child = command.spawn().expect("git http-backend starts");
        child.stdin.take().unwrap().write_all(&body).unwrap();
        child.wait_with_output().unwrap().stdout
    });
    let output = output.await.unwrap();
    let end = output.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
    let mut response = Response::builder();
    for line in std::str::from_utf8(&output[..end]).unwrap().lines() {
        let (name, value) = line.split_once(": ").unwrap();
        response = match name {
            "Status" => response.status(value[..3].parse::<u16>().unwrap()),
            _ => response.header(name, value),
        };
    }
    response.body(Body::from(output[end + 4..].to_vec())).unwrap()
}
