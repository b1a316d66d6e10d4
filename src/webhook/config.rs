//! Settings of the webhook. Made by `roster webhook serve`; read by `run` and `judge`.

use std::net::SocketAddr;

use super::certificate;
use crate::api::Enforcement;

/// Settings of the webhook.
#[derive(Clone, Debug)]
pub struct Config {
    /// Address to serve HTTPS on; port 0 takes a free one.
    pub address: SocketAddr,
    /// Where the certificate comes from.
    pub certificate: certificate::Source,
    /// Namespace of the controller, with the records of catalogs' revisions.
    pub store_namespace: String,
    /// Beginning of the names of users who are members; what follows it is their address. Without it, nobody is.
    pub member_prefix: Option<String>,
    /// Weakest enforcement of any account, whatever the account and its store say.
    pub floor: Enforcement,
    /// Whether names of users, which may be addresses, are written to the log.
    pub log_addresses: bool,
}
