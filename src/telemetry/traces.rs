//! Sends traces by OTLP over HTTP, on request: the parts of a pass and their durations. Set up by `cli::main`; spans
//! are annotated by `controller::trace`.
//!
//! Spans are those of `tracing`, so that log lines and traces name a pass alike. Passes never wait for traces: spans go
//! into a bounded buffer, a separate thread sends them, and spans that do not fit are dropped.

use tracing::Span;

#[cfg(feature = "otel")]
pub use self::otel::Traces;
#[cfg(not(feature = "otel"))]
pub use self::without::Traces;

/// Error of setting up traces.
#[derive(Debug, thiserror::Error)]
pub enum TracesError {
    /// The endpoint is not a valid URL.
    #[error(
        "--otlp-endpoint {endpoint:?}: {why}; pass the base address of an OTLP/HTTP receiver, such as \
         http://collector:4318 (Roster adds /v1/traces)"
    )]
    Endpoint {
        /// Given endpoint.
        endpoint: String,
        /// Fault of the endpoint.
        why: String,
    },
    /// The sender cannot be created.
    #[error("traces cannot be sent to {endpoint}: {why}")]
    Sender {
        /// URL of the receiver.
        endpoint: String,
        /// Cause.
        why: String,
    },
    /// This build cannot send traces.
    #[error("this build of roster cannot send traces: it lacks the feature `otel`")]
    NotBuilt,
}

/// Value in a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Text.
    Text(String),
    /// Number.
    Number(i64),
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<usize> for Value {
    fn from(number: usize) -> Self {
        Self::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

/// Adds an attribute to a span in the trace only, which keeps log lines short. Does nothing if no traces are sent.
pub fn note(span: &Span, key: &'static str, value: impl Into<Value>) {
    #[cfg(feature = "otel")]
    otel::note(span, key, value.into());
    #[cfg(not(feature = "otel"))]
    let _ = (span, key, value.into());
}

/// Marks a span as failed in the trace.
pub fn failed(span: &Span, why: &str) {
    #[cfg(feature = "otel")]
    otel::failed(span, why);
    #[cfg(not(feature = "otel"))]
    let _ = (span, why);
}

#[cfg(feature = "otel")]
mod otel {
    use std::sync::Arc;
    use std::time::Duration;

    use opentelemetry::trace::TracerProvider as _;
    use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
    use opentelemetry_sdk::{
        Resource,
        trace::{SdkTracer, SdkTracerProvider},
    };
    use tracing::{Span, Subscriber, level_filters::LevelFilter};
    use tracing_opentelemetry::{OpenTelemetryLayer, OpenTelemetrySpanExt as _};
    use tracing_subscriber::{Layer, filter::Targets, registry::LookupSpan};
    use url::Url;

    use super::{TracesError, Value};

    /// Timeout of a request to the receiver.
    const TIMEOUT: Duration = Duration::from_secs(5);
    /// Longest time that the last spans delay the end of the process.
    const LAST_WORDS: Duration = Duration::from_secs(3);

    /// Sender of traces. Must be created before any runtime starts, and ended after it.
    #[derive(Debug)]
    pub struct Traces {
        provider: SdkTracerProvider,
        tracer: SdkTracer,
    }

    impl Traces {
        /// Returns a sender to the OTLP/HTTP receiver at `endpoint`, as this instance of the service `roster`. The
        /// receiver need not be reachable; the log reports failures to send.
        ///
        /// # Errors
        /// When the endpoint is not a valid URL, or no sender can be created.
        pub fn to(endpoint: &str) -> Result<Self, TracesError> {
            let place = place(endpoint)?;
            let fails = |why: String| TracesError::Sender { endpoint: place.to_string(), why };
            let exporter = SpanExporter::builder()
                .with_http()
                .with_protocol(Protocol::HttpBinary)
                .with_endpoint(place.as_str())
                .with_timeout(TIMEOUT)
                .with_http_client(client().map_err(fails)?)
                .build()
                .map_err(|error| fails(error.to_string()))?;
            // OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES override these attributes.
            let named = std::env::var_os("OTEL_SERVICE_NAME").is_some();
            let resource = Resource::builder()
                .with_attributes([opentelemetry::KeyValue::new("service.version", env!("CARGO_PKG_VERSION"))]);
            let resource = if named { resource } else { resource.with_service_name("roster") };
            let provider =
                SdkTracerProvider::builder().with_resource(resource.build()).with_batch_exporter(exporter).build();
            let tracer = provider.tracer("roster");
            Ok(Self { provider, tracer })
        }

        /// Returns the layer that receives this crate's spans from `tracing`.
        pub(in crate::telemetry) fn layer<S>(&self) -> impl Layer<S> + Send + Sync + use<S>
        where
            S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
        {
            // Not limited by `--log`, which applies to the log: an incomplete trace is useless.
            let ours = Targets::new().with_target(env!("CARGO_CRATE_NAME"), LevelFilter::DEBUG);
            OpenTelemetryLayer::new(self.tracer.clone())
                .with_location(false)
                .with_threads(false)
                .with_target(false)
                .with_tracked_inactivity(false)
                .with_filter(ours)
        }

        /// Sends the remaining spans within a time limit.
        pub fn end(self) {
            if let Err(error) = self.provider.shutdown_with_timeout(LAST_WORDS) {
                tracing::warn!(%error, "the last traces could not be sent");
            }
        }
    }

    fn place(endpoint: &str) -> Result<Url, TracesError> {
        let wrong = |why: String| TracesError::Endpoint { endpoint: endpoint.to_owned(), why };
        let mut url = Url::parse(endpoint).map_err(|error| wrong(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(wrong(format!("{} is neither http nor https", url.scheme())));
        }
        let path = format!("{}/v1/traces", url.path().trim_end_matches('/'));
        url.set_path(&path);
        Ok(url)
    }

    /// Builds an HTTP client that verifies certificates by the system's authorities, like the stores.
    fn client() -> Result<reqwest::blocking::Client, String> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let builder = reqwest::blocking::Client::builder().timeout(TIMEOUT).redirect(reqwest::redirect::Policy::none());
        builder.tls_backend_preconfigured(tls).build().map_err(|error| error.to_string())
    }

    pub(super) fn note(span: &Span, key: &'static str, value: Value) {
        match value {
            Value::Text(text) => span.set_attribute(key, text),
            Value::Number(number) => span.set_attribute(key, number),
        }
    }

    pub(super) fn failed(span: &Span, why: &str) {
        span.set_status(opentelemetry::trace::Status::error(why.to_owned()));
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn the_path_is_added_to_the_base_address() {
            let parsed = |endpoint| place(endpoint).map(|url| url.to_string()).map_err(|error| error.to_string());
            assert_eq!(parsed("http://collector:4318").as_deref(), Ok("http://collector:4318/v1/traces"));
            assert_eq!(parsed("https://tempo.example/otlp/").as_deref(), Ok("https://tempo.example/otlp/v1/traces"));
            for bad in ["collector", "collector:4318", "grpc://collector:4317"] {
                let error = parsed(bad).unwrap_err();
                assert!(error.starts_with(&format!("--otlp-endpoint {bad:?}: ")), "{error}");
                assert!(error.contains("http://collector:4318"), "{error}");
            }
        }
    }
}

#[cfg(not(feature = "otel"))]
mod without {
    use super::TracesError;

    /// Sender that cannot exist in this build.
    #[derive(Debug)]
    pub struct Traces(std::convert::Infallible);

    impl Traces {
        /// Returns an error: this build sends no traces.
        ///
        /// # Errors
        /// Always.
        pub fn to(_endpoint: &str) -> Result<Self, TracesError> {
            Err(TracesError::NotBuilt)
        }

        pub(in crate::telemetry) fn layer(&self) -> tracing_subscriber::layer::Identity {
            match self.0 {}
        }

        /// Never called.
        pub fn end(self) {
            match self.0 {}
        }
    }
}
