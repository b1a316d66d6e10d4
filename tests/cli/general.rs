//! What holds for every command.

use crate::support::roster;

#[test]
fn an_unknown_command_is_named_and_the_code_is_2() {
    let said = roster("plann").said();
    assert!(said.starts_with("exit code 2"), "{said}");
    assert!(said.contains("'plan'"), "{said}");
}
