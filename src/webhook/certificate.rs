//! Certificates of the webhook: an authority of its own, and the certificates that each replica makes beneath it and
//! renews; or one that somebody else, such as cert-manager, keeps in a folder. Used by `server` and by
//! `roster webhook certificate`.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use axum_server::tls_rustls::RustlsConfig;
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls::ServerConfig;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};

/// Key of a certificate in a Secret of type `kubernetes.io/tls`, and its file in a folder with such a Secret.
pub(super) const CERTIFICATE: &str = "tls.crt";
/// Key and file of its private key.
pub(super) const KEY: &str = "tls.key";
/// Time for which an authority is valid.
const YEARS_OF_AUTHORITY: i64 = 10;
/// Days for which a certificate beneath it is valid.
const DAYS: i64 = 7;
/// Interval at which a certificate is made anew, and files are read again.
const RENEW: Duration = Duration::from_hours(1);

/// Where the certificate of the server comes from.
#[derive(Clone, Debug)]
pub enum Source {
    /// Made beneath the authority in this folder, for these DNS names.
    Authority {
        /// Folder with `tls.crt` and `tls.key`.
        folder: PathBuf,
        /// DNS names of the server.
        names: Vec<String>,
    },
    /// Files in this folder.
    Files(PathBuf),
}

/// Certificate and key, as PEM.
#[derive(Clone)]
pub struct Pair {
    /// Certificate.
    pub certificate: String,
    /// Private key.
    pub key: String,
}

impl Pair {
    /// Makes an authority.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn authority(now: Timestamp) -> anyhow::Result<Self> {
        let key = KeyPair::generate()?;
        let mut params = params("Roster admission webhook", now, 365 * YEARS_OF_AUTHORITY);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key)?.pem();
        Ok(Self { certificate, key: key.serialize_pem() })
    }

    /// Makes a certificate of a server with these DNS names, beneath this authority.
    ///
    /// # Errors
    /// When the authority cannot be read, or a name is none.
    pub fn server(&self, names: &[String], now: Timestamp) -> anyhow::Result<Self> {
        let issuer = Issuer::from_ca_cert_pem(&self.certificate, KeyPair::from_pem(&self.key)?)?;
        let mut params = params(names.first().map_or("", String::as_str), now, DAYS);
        for name in names {
            params.subject_alt_names.push(rcgen::SanType::DnsName(name.as_str().try_into()?));
        }
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate()?;
        Ok(Self { certificate: params.signed_by(&key, &issuer)?.pem(), key: key.serialize_pem() })
    }

    /// Reads the files of a folder.
    fn read(folder: &Path) -> anyhow::Result<Self> {
        let text = |file: &str| {
            let path = folder.join(file);
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
        };
        Ok(Self { certificate: text(CERTIFICATE)?, key: text(KEY)? })
    }

    /// Returns the settings of a server with this certificate.
    ///
    /// # Errors
    /// When certificate or key is no PEM, or they do not belong together.
    pub fn server_config(&self) -> anyhow::Result<ServerConfig> {
        let certificates = CertificateDer::pem_slice_iter(self.certificate.as_bytes()).collect::<Result<Vec<_>, _>>();
        let certificates = certificates.context("the certificate is no PEM")?;
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).context("the key is no PEM")?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let mut config = config.with_no_client_auth().with_single_cert(certificates, key)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }
}

fn params(name: &str, now: Timestamp, days: i64) -> CertificateParams {
    let day = |time: Timestamp| {
        let date = time.to_zoned(TimeZone::UTC).date();
        date_time_ymd(date.year().into(), date.month().unsigned_abs(), date.day().unsigned_abs())
    };
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    // Clocks of machines differ.
    params.not_before = day(now - SignedDuration::from_hours(24));
    params.not_after = day(now + SignedDuration::from_hours(24 * days));
    params
}

impl Source {
    fn load(&self) -> anyhow::Result<ServerConfig> {
        match self {
            Self::Authority { folder, names } => Pair::read(folder)?.server(names, Timestamp::now())?.server_config(),
            Self::Files(folder) => Pair::read(folder)?.server_config(),
        }
    }
}

/// Certificate that the server presents.
pub(super) struct Served {
    source: Source,
    config: RustlsConfig,
}

impl Served {
    pub(super) fn new(source: Source) -> anyhow::Result<Self> {
        let config = RustlsConfig::from_config(Arc::new(source.load()?));
        Ok(Self { source, config })
    }

    pub(super) fn config(&self) -> RustlsConfig {
        self.config.clone()
    }

    /// Renews the certificate, for as long as it is polled. If that fails, the server keeps the present one and tries
    /// again.
    pub(super) async fn renew(&self) {
        loop {
            tokio::time::sleep(RENEW).await;
            match self.source.load() {
                Ok(config) => self.config.reload_from_config(Arc::new(config)),
                Err(error) => tracing::warn!("the certificate of the webhook cannot be renewed: {error:#}"),
            }
        }
    }
}
