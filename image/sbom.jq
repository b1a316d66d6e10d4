# From what cargo-cyclonedx says of Cargo.lock to what is in the binary: $linked is cargo's tree of what is linked, a line
# `name v1.2.3` for each crate. Procedural macros and what else only the compiler runs are left out, and so are paths of
# the machine.

def key: "\(.name)@\(.version)";
def identity: .purl // "pkg:cargo/\(key)" | split("?")[0];

([$linked | splits("\n") | capture("^(?<name>[^ ]+) v(?<version>[^ ]+)") | key] | unique) as $linked
| [
    {name: "sqlite", version: $sqlite, cpe: "cpe:2.3:a:sqlite:sqlite:\($sqlite):*:*:*:*:*:*:*",
     licenses: [{license: {name: "Public Domain"}}], description: "Bundled by libsqlite3-sys"},
    {name: "musl", version: $musl, cpe: "cpe:2.3:a:musl-libc:musl:\($musl):*:*:*:*:*:*:*",
     licenses: [{expression: "MIT"}], description: "The C library of Rust's target \($target)"},
    {name: "rust", version: $rust, cpe: "cpe:2.3:a:rust-lang:rust:\($rust):*:*:*:*:*:*:*",
     licenses: [{expression: "MIT OR Apache-2.0"}], description: "Rust's standard library"}
  ] as $others
| (.metadata.component, .components[]) |= del(.author)
| ([.metadata.component, .components[]] | map({key: ."bom-ref", value: identity}) | from_entries) as $refs
| .metadata.component |= (del(.components) | .purl = identity | ."bom-ref" = .purl)
| .metadata.properties = [{name: "cdx:rustc:sbom:target:triple", value: $target}]
| .components |= ([.[] | select(IN(key; $linked[])) | .purl = identity | ."bom-ref" = .purl | .scope = "required"]
    + ($others | map({type: "library", "bom-ref": "pkg:generic/\(key)", purl: "pkg:generic/\(key)", scope: "required"} + .))
    | sort_by(."bom-ref"))
| ([.metadata.component, .components[]] | map(."bom-ref")) as $known
| .dependencies |= ([.[]
    | {ref: $refs[.ref], dependsOn: [(.dependsOn // [])[] | $refs[.] | select(IN($known[]))] | unique}
    | select(IN(.ref; $known[]))
    | if .ref | startswith("pkg:cargo/libsqlite3-sys@") then .dependsOn += ["pkg:generic/sqlite@\($sqlite)"] else . end
    | if .ref == $known[0] then .dependsOn += ["pkg:generic/musl@\($musl)", "pkg:generic/rust@\($rust)"] else . end]
    + ($others | map({ref: "pkg:generic/\(key)", dependsOn: []}))
    | sort_by(.ref))
