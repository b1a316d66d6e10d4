//! Keeps the webhook's certificate authority: creates its Secret, and tells the API server to trust it. Called by
//! `roster webhook certificate`.

use std::{collections::BTreeMap, fmt::Debug};

use anyhow::Context as _;
use jiff::Timestamp;
use k8s_openapi::{
    ByteString,
    api::{
        admissionregistration::v1::{MutatingWebhookConfiguration, ValidatingWebhookConfiguration},
        core::v1::Secret,
    },
};
use kube::{
    Api, Client, Resource,
    api::{ObjectMeta, PostParams},
    core::ClusterResourceScope,
};
use serde::{Serialize, de::DeserializeOwned};

use super::certificate::{CERTIFICATE, KEY, Pair};

/// Key of all certificates that the API server trusts: the present authority, and the one before it.
const TRUSTED: &str = "ca.crt";
/// Days of validity below which an authority is replaced.
const RENEW: i64 = 365;
/// Attempts to write an object that somebody else writes, too.
const ATTEMPTS: usize = 5;

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Done {
    /// Whether the authority was created, or replaced before its end.
    pub made: bool,
    /// Whether both configurations exist, and trust it.
    pub trusted: bool,
}

/// Makes sure that a Secret has an authority, and that the webhook configurations of this name trust it.
///
/// # Errors
/// When an object cannot be read or written, or the Secret holds something else.
pub async fn establish(
    client: &Client,
    namespace: &str,
    secret: &str,
    configuration: &str,
    now: Timestamp,
) -> anyhow::Result<Done> {
    let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let found = secrets.get_opt(secret).await.with_context(|| format!("cannot read Secret {namespace}/{secret}"))?;
    let present = found.as_ref().map(authority_of).transpose().with_context(|| {
        format!("Secret {namespace}/{secret} holds no certificate authority; delete it, and one is made")
    })?;
    let (trusted, made) = match (&present, found) {
        (Some(present), _) if days_left(&present.pair.certificate, now)? >= RENEW => (present.trusted.clone(), false),
        (present, found) => {
            let pair = Pair::authority(now)?;
            let former = present.as_ref().map_or("", |former| former.pair.certificate.as_str());
            let trusted = format!("{}{former}", pair.certificate);
            let mut written = found.unwrap_or_default();
            written.metadata = ObjectMeta { managed_fields: None, name: Some(secret.to_owned()), ..written.metadata };
            written.type_ = Some("kubernetes.io/tls".to_owned());
            written.data = Some(data([(CERTIFICATE, &pair.certificate), (KEY, &pair.key), (TRUSTED, &trusted)]));
            let done = if written.metadata.resource_version.is_some() {
                secrets.replace(secret, &PostParams::default(), &written).await
            } else {
                secrets.create(&PostParams::default(), &written).await
            };
            done.with_context(|| format!("cannot write Secret {namespace}/{secret}"))?;
            (trusted, true)
        }
    };
    let bundle = ByteString(trusted.into_bytes());
    let stamps = trust::<MutatingWebhookConfiguration>(client, configuration, |configuration| {
        let webhooks = configuration.webhooks.iter_mut().flatten();
        webhooks.for_each(|webhook| webhook.client_config.ca_bundle = Some(bundle.clone()));
    })
    .await?;
    let judges = trust::<ValidatingWebhookConfiguration>(client, configuration, |configuration| {
        let webhooks = configuration.webhooks.iter_mut().flatten();
        webhooks.for_each(|webhook| webhook.client_config.ca_bundle = Some(bundle.clone()));
    })
    .await?;
    Ok(Done { made, trusted: stamps && judges })
}

/// Authority of a Secret, and all certificates that are trusted.
struct Authority {
    pair: Pair,
    trusted: String,
}

fn authority_of(secret: &Secret) -> anyhow::Result<Authority> {
    let text = |key: &str| {
        let value = secret.data.as_ref().and_then(|data| data.get(key)).with_context(|| format!("{key} is missing"))?;
        String::from_utf8(value.0.clone()).with_context(|| format!("{key} is no PEM"))
    };
    let pair = Pair { certificate: text(CERTIFICATE)?, key: text(KEY)? };
    pair.server(&["test.invalid".to_owned()], Timestamp::now())?;
    let trusted = text(TRUSTED).unwrap_or_else(|_| pair.certificate.clone());
    Ok(Authority { pair, trusted })
}

fn data(values: [(&str, &String); 3]) -> BTreeMap<String, ByteString> {
    values.into_iter().map(|(key, value)| (key.to_owned(), ByteString(value.clone().into_bytes()))).collect()
}

/// Returns the number of days until a certificate ends.
fn days_left(certificate: &str, now: Timestamp) -> anyhow::Result<i64> {
    let (_, pem) = x509_parser::pem::parse_x509_pem(certificate.as_bytes()).context("the certificate is no PEM")?;
    let end = pem.parse_x509().context("the certificate is no X.509")?.validity().not_after.timestamp();
    Ok((end - now.as_second()) / 86_400)
}

/// Changes a configuration of webhooks; returns whether it exists. A conflict is tried again.
async fn trust<K>(client: &Client, name: &str, change: impl Fn(&mut K)) -> anyhow::Result<bool>
where
    K: Resource<DynamicType = (), Scope = ClusterResourceScope>,
    K: Clone + Debug + DeserializeOwned + Serialize + PartialEq,
{
    let api: Api<K> = Api::all(client.clone());
    let kind = K::kind(&());
    let mut attempt = 1;
    loop {
        let found = api.get_opt(name).await.with_context(|| format!("cannot read {kind} {name}"))?;
        let Some(found) = found else { return Ok(false) };
        let mut changed = found.clone();
        change(&mut changed);
        if changed == found {
            return Ok(true);
        }
        match api.replace(name, &PostParams::default(), &changed).await {
            Ok(_) => return Ok(true),
            Err(kube::Error::Api(status)) if status.is_conflict() && attempt < ATTEMPTS => attempt += 1,
            Err(error) => return Err(error).with_context(|| format!("cannot write {kind} {name}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_lasts_for_years_and_signs() {
        let now: Timestamp = "2026-12-01T10:00:00Z".parse().unwrap();
        let authority = Pair::authority(now).unwrap();
        assert!((3_645..3_655).contains(&days_left(&authority.certificate, now).unwrap()));
        let server = authority.server(&["roster-webhook.roster-system.svc".to_owned()], now).unwrap();
        assert!((6..=7).contains(&days_left(&server.certificate, now).unwrap()));
        let (_, pem) = x509_parser::pem::parse_x509_pem(server.certificate.as_bytes()).unwrap();
        let (_, ca) = x509_parser::pem::parse_x509_pem(authority.certificate.as_bytes()).unwrap();
        let (server, ca) = (pem.parse_x509().unwrap(), ca.parse_x509().unwrap());
        assert_eq!(server.issuer(), ca.subject());
        let names = server.subject_alternative_name().unwrap().unwrap().value.general_names.clone();
        assert_eq!(format!("{names:?}"), "[DNSName(\"roster-webhook.roster-system.svc\")]");
    }

    #[test]
    fn a_secret_with_something_else_is_refused() {
        let secret = Secret { data: Some(BTreeMap::new()), ..Secret::default() };
        assert_eq!(authority_of(&secret).err().unwrap().to_string(), "tls.crt is missing");
    }
}
