//! Implements `roster version`. Called by `cli::run`.

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    OK,
    output::{API_VERSION, Format, formats, print, print_data},
};
use crate::api;

/// Print the version and features of this build
///
/// Does not contact a cluster.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  roster version\n  roster version -o json")]
pub struct Args {
    /// Output format
    #[arg(short, long, value_name = "FORMAT", default_value = "text", value_parser = formats(&[Format::Text, Format::Json, Format::Yaml]))]
    output: Format,
}

/// Version and features, as printed with `-o json`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Build {
    /// Always the same.
    api_version: &'static str,
    /// Always `Version`.
    kind: &'static str,
    /// Version of the program.
    version: &'static str,
    /// API of the objects that it knows.
    api: String,
    /// Identity stores that it can keep.
    stores: Vec<&'static str>,
}

pub fn run(args: &Args) -> anyhow::Result<u8> {
    let stores = [
        ("keycloak", cfg!(feature = "keycloak")),
        ("postgres", cfg!(feature = "postgres")),
        ("sqlite", cfg!(feature = "sqlite")),
    ];
    let build = Build {
        api_version: API_VERSION,
        kind: "Version",
        version: env!("CARGO_PKG_VERSION"),
        api: format!("{}/{}", api::GROUP, api::VERSION),
        stores: stores.into_iter().filter(|(_, built)| *built).map(|(name, _)| name).collect(),
    };
    match args.output {
        Format::Text => {
            let Build { version, api, stores, .. } = &build;
            print(&format!("roster {version}\nobjects {api}\nstores  {}\n", stores.join(", ")))?;
        }
        format => print_data(format, &build)?,
    }
    Ok(OK)
}
