//! Runs the tutorial for a portal that reads the tables.

use super::server::Server;
use crate::contract::doc_commands::{Setting, assert_commands_print_what_is_written};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_portal_can_read_what_the_tutorial_says() {
    let server = Server::start().await;
    server.run("ALTER ROLE postgres PASSWORD 'administrator'").await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let setting = Setting {
        folder: folder.path(),
        programs: None,
        environment: vec![],
        names: vec![("db.example", format!("127.0.0.1:{}", server.port()))],
        without: &[],
    };
    assert_commands_print_what_is_written("docs/tutorials/postgresql.md", &setting);
}
