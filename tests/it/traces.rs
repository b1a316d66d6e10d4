//! Tests traces of passes, sent to a real OTLP/HTTP receiver in this process.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::{Router, body::Bytes, extract::State, routing::post};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest, common::v1::any_value::Value, trace::v1::Span,
};
use prost::Message as _;
use tokio::net::TcpListener;

use crate::lifecycle::Site;
use crate::support::{ControlPlane, Controller};

/// Delay that is longer than the test: nothing is sent before the end, unless the buffer is full.
const AT_THE_END: &str = "3600000";

/// In nanoseconds.
const SLACK: u64 = 50_000_000;

/// Received data.
#[derive(Clone, Default)]
struct Received(Arc<Mutex<Vec<ExportTraceServiceRequest>>>);

impl Received {
    /// Receives at this address.
    async fn listen(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let take = async |State(Received(all)): State<Received>, body: Bytes| {
            all.lock().unwrap().push(ExportTraceServiceRequest::decode(body).unwrap());
        };
        let routes = Router::new().route("/v1/traces", post(take)).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        format!("http://{address}")
    }

    /// The name of the service that sent, once for each request.
    fn services(&self) -> Vec<String> {
        let requests = self.0.lock().unwrap();
        let resources = requests.iter().flat_map(|request| &request.resource_spans).flat_map(|spans| &spans.resource);
        let attributes = resources.flat_map(|resource| &resource.attributes);
        let named = attributes.filter(|attribute| attribute.key == "service.name");
        named.map(|attribute| text(attribute.value.as_ref().and_then(|value| value.value.as_ref()))).collect()
    }

    fn spans(&self) -> Vec<Span> {
        let requests = self.0.lock().unwrap();
        let resources = requests.iter().flat_map(|request| &request.resource_spans);
        resources.flat_map(|spans| &spans.scope_spans).flat_map(|scope| scope.spans.clone()).collect()
    }
}

fn text(value: Option<&Value>) -> String {
    match value {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    }
}

fn attributes(span: &Span) -> BTreeMap<&str, String> {
    let values = span.attributes.iter();
    values.map(|one| (one.key.as_str(), text(one.value.as_ref().and_then(|value| value.value.as_ref())))).collect()
}

#[tokio::test]
async fn a_trace_describes_a_pass_and_a_hanging_receiver_stops_nothing() {
    let plane = ControlPlane::own("traces").await;
    let folder = plane.data().join("stores");
    Controller::prepare(&plane).await;
    let received = Received::default();
    let endpoint = received.listen().await;
    let roster = Controller::spawn(&plane, &folder, |command| {
        command.args(["--otlp-endpoint", &endpoint, "--log", "info,roster=debug"]);
        command.env("OTEL_BSP_SCHEDULE_DELAY", AT_THE_END);
    });
    let site = Site::on(&plane, &folder, "traces").await;
    site.store("").await;
    site.account("acme", "").await;
    site.ready("Account", "acme").await;
    site.member("dana", "viewer").await;
    site.ready("Membership", "dana").await;
    assert_eq!(received.spans(), [], "nothing is sent before its time");
    let log = roster.log();
    assert_eq!(roster.stop().await.code(), Some(0));

    let spans = received.spans();
    let about_dana = |span: &&Span| {
        span.name == "pass" && attributes(span).get("trigger").is_some_and(|trigger| trigger == "Membership/dana@1")
    };
    let pass = spans.iter().find(about_dana).unwrap_or_else(|| panic!("no such pass: {spans:#?}"));
    let recorded = attributes(pass);
    let says = |key: &str| recorded.get(key).map_or("", String::as_str);
    let key = site.key("acme");
    assert_eq!([says("account"), says("store"), says("scope")], [&key, site.name(), "members"]);
    assert_eq!([says("members"), says("cause"), says("outcome")], ["1", "change", "ok"]);
    assert_eq!([says("changes"), says("drift"), says("statuses")], ["1", "0", "1"]);
    assert!(pass.parent_span_id.is_empty(), "a pass begins a trace");
    let of_pass: Vec<&Span> = spans.iter().filter(|span| span.trace_id == pass.trace_id).collect();
    for part in ["resolve", "observe", "plan", "apply", "status"] {
        let found: Vec<_> = of_pass.iter().filter(|span| span.name == part).collect();
        assert_eq!(found.len(), 1, "{part}: {of_pass:#?}");
        assert_eq!(found[0].parent_span_id, pass.span_id, "{part}");
        // The SDK dates a span a moment after it began: microseconds, or milliseconds on a machine that is very busy.
        assert!(found[0].start_time_unix_nano + SLACK >= pass.start_time_unix_nano, "{part}: {found:#?} {pass:#?}");
        // A status is written after the pass, and not waited for.
        let within = part == "status" || found[0].end_time_unix_nano <= pass.end_time_unix_nano + SLACK;
        assert!(within, "{part}: {found:#?} {pass:#?}");
    }
    assert_eq!(received.services(), ["roster"]);
    // The log names it alike.
    let lines = log.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let done: Vec<_> = lines.filter(|line| line["message"] == "pass done" && line["pass"] == says("pass")).collect();
    assert_eq!(done.len(), 1, "{} in {log}", says("pass"));
    assert_eq!(done[0]["account"], key);

    // Connections are taken and never answered.
    let hangs = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", hangs.local_addr().unwrap());
    let roster = Controller::spawn(&plane, &folder, |command| {
        command.env("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint).env("OTEL_BSP_SCHEDULE_DELAY", "1");
    });
    site.member("eve", "viewer").await;
    site.ready("Membership", "eve").await;
    assert_eq!(roster.stop().await.code(), Some(0));
}

#[tokio::test]
async fn an_invalid_endpoint_is_reported_at_once() {
    let roster = std::process::Command::new(env!("CARGO_BIN_EXE_roster"))
        .args(["controller", "--otlp-endpoint", "collector:4318"])
        .output()
        .unwrap();
    assert_eq!(roster.status.code(), Some(2));
    let printed = String::from_utf8(roster.stderr).unwrap();
    assert!(
        printed.starts_with("error: --otlp-endpoint \"collector:4318\": ") && printed.lines().count() == 1,
        "{printed}"
    );
}
