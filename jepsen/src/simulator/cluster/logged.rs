//! [`Logged`]: writes the log messages of the nodes into the trace, and counts the rare events among them.

use std::fmt::{Debug, Write as _};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::{LookupSpan, Registry};

use super::super::trace::Trace;
use super::reached::Reached;

/// Events below this level are left out.
const LEVEL: Level = Level::DEBUG;
/// The field in which an event has its message.
const MESSAGE: &str = "message";
/// The field in which turmoil's span of a host has the host's name.
const NAME: &str = "name";
/// The rare events that show in the log of a node, each with the message that the node logs, and the name of the event.
pub const EVENTS: [(&str, &str); 10] = [
    ("reconfiguring the log", "reconfiguration"),
    ("storage units got the cells that they had missed", "unit_caught_up"),
    ("an ended segment has other storage units now", "unit_replaced"),
    ("a proposal's outcome is unknown; trying again", "outcome_unknown"),
    ("the storage unit is read-only from now on", "unit_poisoned"),
    ("copying cells to a sealed unit that lacks them", "seal_repaired"),
    ("another node has installed a chain first", "chain_race_lost"),
    ("the snapshot is installed", "snapshot_installed"),
    ("nobody wrote an offset: it is junk now", "hole_filled"),
    ("the end of the segment decides about an append", "chain_write_cut"),
];

/// The name of a host, kept with its span.
struct HostName(String);

/// See the module.
struct Logged {
    trace: Trace,
    reached: Reached,
}

/// Collects the fields of an event or a span.
#[derive(Default)]
struct Fields {
    message: String,
    name: String,
    others: String,
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        // Writing to a String does not fail.
        let _ = match field.name() {
            MESSAGE => write!(self.message, "{value:?}"),
            NAME => write!(self.name, "{value:?}"),
            other => write!(self.others, " {other}={value:?}"),
        };
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Logged {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id).filter(|_| !fields.name.is_empty()) {
            span.extensions_mut().insert(HostName(fields.name.trim_matches('"').to_owned()));
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        *metadata.level() <= LEVEL
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if !event.metadata().target().starts_with("naxos") {
            return;
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        if let Some((_, name)) = EVENTS.iter().find(|(message, _)| *message == fields.message) {
            self.reached.count(name);
        }
        let host = context.event_scope(event).into_iter().flatten().find_map(|span| {
            let extensions = span.extensions();
            extensions.get::<HostName>().map(|host| host.0.clone())
        });
        let (host, level) = (host.unwrap_or_default(), event.metadata().level());
        self.trace.line(&format!("log {host} {level} {}{}", fields.message, fields.others));
    }
}

/// Collects what the nodes of this run log, until the guard is dropped.
pub fn collect(trace: &Trace, reached: &Reached) -> tracing::subscriber::DefaultGuard {
    let logged = Logged { trace: trace.clone(), reached: reached.clone() };
    tracing::subscriber::set_default(Registry::default().with(logged))
}
