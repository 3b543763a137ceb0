//! Every instrument the gate has: a closed set, made once at start. Labels come from closed sets too, never from a client,
//! so a scrape stays small whatever clients do. Hot paths keep the counter they need (`get_or_create_owned`), the rest look it up.

use std::sync::atomic::AtomicU64;

use prometheus_client::{
    encoding::text::encode,
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

/// One label, its value from a closed set.
pub type Label = [(&'static str, &'static str); 1];
/// Two labels, their values from closed sets.
pub type Labels = [(&'static str, &'static str); 2];
/// A label whose values are names from the configuration (upstreams, members).
pub type Named = Vec<(&'static str, String)>;

/// Every instrument.
pub struct Metrics {
    registry: Registry,
    /// Client connections open now.
    pub connections: Gauge,
    /// Client connections accepted since the start.
    pub accepted: Counter,
    /// Client connections closed before a request, by cause: `total`, `address`, `proxy_header`, `tls`, `malformed`,
    /// `descriptors`.
    pub turned_away: Family<Label, Counter>,
    /// TLS handshakes, by outcome: `full`, `resumed`, `failed`, `timeout`.
    pub tls_handshakes: Family<Label, Counter>,
    /// Client connections cut by a deadline: `first_byte`, `head`, `keep_alive`, `write`.
    pub deadlines: Family<Label, Counter>,
    /// Requests answered, by kind (`open`, `poll`, `post`, `upgrade`, `websocket`, `http`, `preflight`, `none`) and status class.
    pub requests: Family<Labels, Counter>,
    /// Requests and sessions refused, by stable name.
    pub refusals: Family<Label, Counter>,
    /// Sessions open now, by transport.
    pub sessions: Family<Label, Gauge>,
    /// Sessions opened, by transport.
    pub opened: Family<Label, Counter>,
    /// Sessions and WebSockets that ended, by reason.
    pub closed: Family<Label, Counter>,
    /// Upgrades of polling sessions to WebSocket, by outcome: `done`, `failed`.
    pub upgrades: Family<Label, Counter>,
    /// WebSocket messages carried, by direction (`in` from clients, `out` to clients).
    pub messages: Family<Label, Counter>,
    /// Payload bytes carried, by transport and direction.
    pub bytes: Family<Labels, Counter>,
    /// Messages of judged sessions, by namespace and direction. Namespaces that the configuration does not name are `other`.
    pub packets: Family<Named, Counter>,
    /// Their bytes, as far as they were looked at or announced.
    pub packet_bytes: Family<Named, Counter>,
    /// Events of judged sessions, by name and direction. Names that the configuration does not write are `other`.
    pub events: Family<Named, Counter>,
    /// Messages of apps that their client may not receive.
    pub packets_filtered: Counter,
    /// What would have been refused but for `shadow` or `warn`, by stable name.
    pub shadowed: Family<Label, Counter>,
    /// Tokens brought into open sessions, by outcome: `accepted`, `refused`.
    pub refreshes: Family<Label, Counter>,
    /// Time from an event that asks for an answer to the app's, in seconds.
    pub ack_seconds: Histogram,
    /// Whether a member of an upstream takes new sessions (1) or not (0).
    pub member_up: Family<Named, Gauge>,
    /// Sessions a member has through this gate.
    pub member_sessions: Family<Named, Gauge>,
    /// Failures toward members, by upstream, member and cause.
    pub member_failures: Family<Named, Counter>,
    /// Published keys that can be used now, by the address they are fetched from.
    pub jwks_keys: Family<Named, Gauge>,
    /// Seconds since published keys were last fetched well. Absent: never yet.
    pub jwks_age: Family<Named, Gauge>,
    /// Whether the last fetch of published keys failed (1) or not (0).
    pub jwks_failing: Family<Named, Gauge>,
    /// Questions to authorizers, by outcome: `yes`, `no`, `failed`, `timeout`, `busy`.
    pub authorizer_calls: Family<Label, Counter>,
    /// Questions that needed no call, by where the answer was: `yes` and `no` remembered, `shared` with a call under way.
    pub authorizer_saved: Family<Label, Counter>,
    /// Time from a request to the head of the app's answer, polls excluded, in seconds.
    pub answer_seconds: Histogram,
    /// Keys held by the limiters.
    pub limiter_keys: Gauge,
    /// Keys that shared the overflow bucket because the limiter was full.
    pub limiter_overflow: Counter,
    /// Revocations that hold.
    pub revocations: Gauge,
    /// Version of the configuration in effect, counted from 1.
    pub generation: Gauge,
    /// Reloads, by outcome: `taken`, `refused`.
    pub reloads: Family<Label, Counter>,
    /// Panics that ended one request or one connection.
    pub panics: Counter,
    /// When the certificate that expires first does, in seconds since 1970.
    pub certificate_expiry: Gauge<i64>,
    /// Resident memory in bytes.
    pub resident_bytes: Gauge<f64, AtomicU64>,
}

/// The counters of what is carried, held by whoever carries so that counting needs no look-up.
#[derive(Clone, Debug)]
pub struct Carried {
    pub messages_in: Counter,
    pub messages_out: Counter,
    pub websocket_in: Counter,
    pub websocket_out: Counter,
    pub polling_in: Counter,
    pub polling_out: Counter,
}

/// The counters of one authorizer. Those of `default` are counted for nobody.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    pub yes: Counter,
    pub no: Counter,
    pub failed: Counter,
    pub timeout: Counter,
    pub busy: Counter,
    pub remembered_yes: Counter,
    pub remembered_no: Counter,
    pub shared: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("sockgate");
        macro_rules! make {
            ($name:literal, $help:literal, $metric:expr) => {{
                let metric = $metric;
                registry.register($name, $help, metric.clone());
                metric
            }};
        }
        let seconds = || Histogram::new(exponential_buckets(0.000_5, 2.0, 16));
        let answer_seconds = seconds();
        registry.register_with_unit("answer", "Time to the head of the app's answer", Unit::Seconds, answer_seconds.clone());
        let ack_seconds = seconds();
        registry.register_with_unit("ack", "Time from an event to the app's answer", Unit::Seconds, ack_seconds.clone());
        Self {
            connections: make!("connections", "Client connections open now", Gauge::default()),
            accepted: make!("connections_accepted", "Client connections accepted", Counter::default()),
            turned_away: make!("connections_turned_away", "Connections closed before a request, by cause", Family::default()),
            tls_handshakes: make!("tls_handshakes", "TLS handshakes by outcome", Family::default()),
            deadlines: make!("deadlines", "Client connections cut by a deadline", Family::default()),
            requests: make!("requests", "Requests by kind and status class", Family::default()),
            refusals: make!("refusals", "Refusals by stable name", Family::default()),
            sessions: make!("sessions", "Sessions open now by transport", Family::default()),
            opened: make!("sessions_opened", "Sessions opened by transport", Family::default()),
            closed: make!("sessions_closed", "Sessions ended by reason", Family::default()),
            upgrades: make!("upgrades", "Upgrades from polling to WebSocket by outcome", Family::default()),
            messages: make!("messages", "WebSocket messages carried by direction", Family::default()),
            bytes: make!("carried_bytes", "Payload bytes carried by transport and direction", Family::default()),
            packets: make!("packets", "Messages of judged sessions by namespace and direction", Family::default()),
            packet_bytes: make!(
                "packet_bytes",
                "Bytes of judged messages by namespace and direction, attachments left out",
                Family::default()
            ),
            events: make!("events", "Events of judged sessions by name and direction", Family::default()),
            packets_filtered: make!("packets_filtered", "Messages of apps kept from their client", Counter::default()),
            shadowed: make!("shadowed", "What would have been refused, by stable name", Family::default()),
            refreshes: make!("refreshes", "Tokens brought into open sessions by outcome", Family::default()),
            ack_seconds,
            member_up: make!("member_up", "Whether a member takes new sessions", Family::default()),
            member_sessions: make!("member_sessions", "Sessions a member has through this gate", Family::default()),
            member_failures: make!("member_failures", "Failures toward members by cause", Family::default()),
            jwks_keys: make!("jwks_keys", "Published keys that can be used", Family::default()),
            jwks_age: make!("jwks_age_seconds", "Age of the last good fetch of published keys", Family::default()),
            jwks_failing: make!("jwks_failing", "Whether the last fetch of published keys failed", Family::default()),
            authorizer_calls: make!("authorizer_calls", "Questions to authorizers by outcome", Family::default()),
            authorizer_saved: make!("authorizer_saved", "Questions answered without a call by source", Family::default()),
            answer_seconds,
            limiter_keys: make!("limiter_keys", "Addresses and users the limiters remember", Gauge::default()),
            limiter_overflow: make!("limiter_overflow", "Judgements made by the shared overflow bucket", Counter::default()),
            revocations: make!("revocations", "Revocations that hold", Gauge::default()),
            generation: make!("generation", "Version of the configuration in effect", Gauge::default()),
            reloads: make!("reloads", "Reloads by outcome", Family::default()),
            panics: make!("panics", "Panics that ended one request or one connection", Counter::default()),
            certificate_expiry: make!(
                "certificate_expiry_timestamp_seconds",
                "Expiry of the first certificate to expire",
                Gauge::default()
            ),
            resident_bytes: make!("resident_bytes", "Resident memory", Gauge::default()),
            registry,
        }
    }
}

impl Metrics {
    /// The counters of what is carried.
    pub fn carried(&self) -> Carried {
        let messages = |direction| self.messages.get_or_create_owned(&[("direction", direction)]);
        let bytes = |transport, direction| self.bytes.get_or_create_owned(&[("transport", transport), ("direction", direction)]);
        Carried {
            messages_in: messages("in"),
            messages_out: messages("out"),
            websocket_in: bytes("websocket", "in"),
            websocket_out: bytes("websocket", "out"),
            polling_in: bytes("polling", "in"),
            polling_out: bytes("polling", "out"),
        }
    }

    /// The counters of an authorizer.
    pub fn asked(&self) -> Asked {
        let call = |outcome| self.authorizer_calls.get_or_create_owned(&[("outcome", outcome)]);
        let saved = |source| self.authorizer_saved.get_or_create_owned(&[("source", source)]);
        Asked {
            yes: call("yes"),
            no: call("no"),
            failed: call("failed"),
            timeout: call("timeout"),
            busy: call("busy"),
            remembered_yes: saved("yes"),
            remembered_no: saved("no"),
            shared: saved("shared"),
        }
    }

    /// The page of `/metrics`, in the OpenMetrics text format that Prometheus reads.
    pub fn page(&self) -> String {
        let mut page = String::with_capacity(8 * 1024);
        // Writing into a String does not fail.
        let _ = encode(&mut page, &self.registry);
        page
    }
}
