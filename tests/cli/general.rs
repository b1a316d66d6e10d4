//! Tests rules that hold for every command.

use std::fs;

use crate::support::roster;

#[test]
fn an_unknown_command_is_named_and_the_code_is_2() {
    let printed = roster("plann").printed();
    assert!(printed.starts_with("exit code 2"), "{printed}");
    assert!(printed.contains("'plan'"), "{printed}");
}

/// Objects on the line of their `---`, and syntax that only some editors and YAML 1.1 write.
#[test]
fn files_are_read_like_by_kubectl() {
    let folder = tempfile::tempdir().unwrap();
    let validate = |text: &str| {
        fs::write(folder.path().join("all.yaml"), text).unwrap();
        roster("validate -f all.yaml").within(folder.path()).printed()
    };
    let inline = "--- {apiVersion: roster.dev/v1alpha1, kind: Membership, metadata: {name: x}, spec: {}}\n";
    assert!(validate(inline).contains("spec.user: is required"), "{}", validate(inline));
    let header = validate("# ours\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n---\n# nothing\n");
    assert!(header.contains("1 object in 1 file: valid"), "{header}");
    let marked = "\u{feff}---\napiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n";
    assert!(validate(marked).contains("1 object in 1 file: valid"), "{}", validate(marked));
    let catalog = "apiVersion: roster.dev/v1alpha1\nkind: PermissionCatalog\nmetadata: {name: c}\nspec:\n  sections:\n";
    let words = validate(&format!("{catalog}  - {{name: a, levels: [Off, 'On']}}\n"));
    assert!(words.contains("sections[0].levels[0]: kubectl reads Off without quotes as a boolean"), "{words}");
    assert!(!words.contains("levels[1]"), "{words}");
    let merged = "apiVersion: roster.dev/v1alpha1\nkind: Membership\nmetadata: {name: x}\nspec:\n  accountRef: &a {name: b}\n  \
                  user: {<<: *a, email: a@b.example}\n";
    assert!(validate(merged).contains("spec.user.name: unknown field"), "{}", validate(merged));
}

#[test]
fn an_empty_folder_is_an_error_and_a_cyclic_link_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let printed = |arguments: &str| roster(arguments).within(folder.path()).printed();
    fs::create_dir_all(folder.path().join("a/b")).unwrap();
    assert!(printed("validate -f a").contains("a: the folder contains no .yaml, .yml or .json file"));
    assert!(printed("apply -f a --yes").starts_with("exit code 2"));
    std::os::unix::fs::symlink("../../a", folder.path().join("a/b/c")).unwrap();
    fs::write(folder.path().join("a/n.yaml"), "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n").unwrap();
    assert!(printed("validate -f a").contains("1 object in 1 file: valid"));
    fs::create_dir(folder.path().join("nothing")).unwrap();
    assert!(printed("plan --from nothing --to a").starts_with("exit code 0"));
}
