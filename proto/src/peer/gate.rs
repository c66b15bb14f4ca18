//! [`Gate`]: refuses calls that are not meant for this node, before a service sees them.

use std::sync::Arc;

use tokio::sync::watch;
use tonic::metadata::MetadataMap;
use tonic::service::Interceptor;
use tonic::{Request, Status};

use crate::ids::ChainVersion;
use crate::peer::envelope::{CHAIN, FROM, LOG, TO, WIRE};
use crate::peer::limits::WIRE_VERSION;
use crate::peer::{ChainNews, Home};

/// Checks the [`Envelope`](super::envelope::Envelope) of each call and of each stream that is opened. All clones share
/// one state, because tonic clones the gate for each call.
#[derive(Clone)]
pub struct Gate(Arc<Expected>);

/// The headers that a call to this node has.
struct Expected {
    wire: String,
    log: String,
    to: String,
    news: Arc<ChainNews>,
    /// If there is one, calls are refused until it is true.
    admitted: Option<watch::Receiver<bool>>,
}

/// The text of header `name`.
fn header<'a>(headers: &'a MetadataMap, name: &'static str) -> Result<&'a str, Status> {
    let text = headers.get(name).and_then(|value| value.to_str().ok());
    text.ok_or_else(|| Status::failed_precondition(format!("expected a header {name}, found none")))
}

/// Header `name` must be `expected`. `subject` says in the error what the header is about.
fn expect(headers: &MetadataMap, name: &'static str, expected: &str, subject: &str) -> Result<(), Status> {
    let found = header(headers, name)?;
    if found == expected {
        return Ok(());
    }
    Err(Status::failed_precondition(format!("{subject}: expected {expected}, found {found}")))
}

impl Gate {
    /// The gate of the node `home`.
    pub fn new(home: &Home) -> Self {
        Self::with(home, Some(home.admitted.clone()))
    }

    /// The gate for calls that the node answers before the other nodes have admitted it.
    pub fn before_admission(home: &Home) -> Self {
        Self::with(home, None)
    }

    fn with(home: &Home, admitted: Option<watch::Receiver<bool>>) -> Self {
        Self(Arc::new(Expected {
            wire: WIRE_VERSION.to_string(),
            log: format!("{:016x}", home.log.0),
            to: format!("{:016x}", home.me.storage.0),
            news: Arc::clone(&home.news),
            admitted,
        }))
    }

    /// Refuses the call that has these headers, or takes note of the version of the chain that it tells.
    fn check(&self, headers: &MetadataMap) -> Result<(), Status> {
        let Expected { wire, log, to, news, admitted } = self.0.as_ref();
        // The version comes first: another version may have other headers.
        expect(headers, WIRE, wire, "the caller speaks another version of the peer protocol")?;
        expect(headers, LOG, log, "the caller belongs to another cluster").map_err(|mut refused| {
            // The caller finds out by the header, not by the text, that this node belongs to another log.
            refused.metadata_mut().insert(LOG, log.parse().expect("digits"));
            refused
        })?;
        expect(headers, TO, to, "the call is meant for another node, so the caller has a wrong address")?;
        let from = header(headers, FROM)?;
        let is_process = from.split_once('.').is_some_and(|(storage, boot)| {
            storage.len() == 16 && u64::from_str_radix(storage, 16).is_ok() && boot.parse::<u64>().is_ok()
        });
        if !is_process {
            let text = format!("header {FROM}: expected a storage id and a boot count, found {from}");
            return Err(Status::failed_precondition(text));
        }
        let chain = header(headers, CHAIN)?;
        let version = chain
            .parse()
            .map_err(|_| Status::failed_precondition(format!("header {CHAIN}: expected a number, found {chain}")))?;
        if admitted.as_ref().is_some_and(|admitted| !*admitted.borrow()) {
            let text = "the peer has just started, and the other nodes have not admitted it yet";
            return Err(Status::failed_precondition(text));
        }
        news.hear(ChainVersion(version));
        Ok(())
    }
}

impl Interceptor for Gate {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        self.check(request.metadata())?;
        Ok(request)
    }
}

#[cfg(test)]
mod tests {
    use tokio_util::sync::CancellationToken;
    use tonic::Code;

    use super::*;
    use crate::ids::{Boot, Incarnation, LogId, StorageId};
    use crate::peer::SyncedNews;
    use crate::peer::envelope::Envelope;
    use crate::seams::{BootClock, Tasks, ThreadWorker};

    fn home(storage: u64) -> Home {
        Home {
            log: LogId(9),
            me: Incarnation { storage: StorageId(storage), boot: Boot(3) },
            news: Arc::new(ChainNews::new(ChainVersion(1))),
            synced: SyncedNews::new(Boot(3), || 0),
            admitted: watch::Sender::new(true).subscribe(),
            clock: Arc::new(BootClock),
            tasks: Tasks::new(Arc::new(ThreadWorker), CancellationToken::new()),
        }
    }

    /// The headers of a call from storage 1 to storage 2, with `name` changed to `text`, or removed if it is empty.
    fn changed(name: &'static str, text: &'static str) -> MetadataMap {
        let mut headers = MetadataMap::new();
        let Home { log, me, .. } = home(1);
        Envelope::new(log, me, StorageId(2)).write(&mut headers, ChainVersion(7));
        if text.is_empty() {
            headers.remove(name);
        } else {
            headers.insert(name, text.parse().unwrap());
        }
        headers
    }

    #[test]
    fn a_call_that_is_not_meant_for_this_node_is_refused_in_words() {
        let gate = Gate::new(&home(2));
        for (name, text, words) in [
            (WIRE, "2", "the caller speaks another version of the peer protocol: expected 1, found 2"),
            (WIRE, "", "expected a header naxos-wire, found none"),
            (
                LOG,
                "000000000000000a",
                "the caller belongs to another cluster: expected 0000000000000009, found 000000000000000a",
            ),
            (
                TO,
                "0000000000000005",
                "the call is meant for another node, so the caller has a wrong address: expected 0000000000000002, \
                 found 0000000000000005",
            ),
            (FROM, "me", "header naxos-from: expected a storage id and a boot count, found me"),
            (CHAIN, "x", "header naxos-chain: expected a number, found x"),
        ] {
            let refused = gate.check(&changed(name, text)).unwrap_err();
            assert_eq!((refused.code(), refused.message()), (Code::FailedPrecondition, words));
        }
        assert_eq!(*gate.0.news.subscribe().borrow(), ChainVersion(1), "a refused call tells nothing");
        gate.check(&changed(CHAIN, "8")).unwrap();
        assert_eq!(*gate.0.news.subscribe().borrow(), ChainVersion(8));
    }

    #[test]
    fn a_node_answers_only_heartbeats_until_it_is_admitted() {
        let admitted = watch::Sender::new(false);
        let home = Home { admitted: admitted.subscribe(), ..home(2) };
        let (gate, heartbeats) = (Gate::new(&home), Gate::before_admission(&home));
        assert_eq!(gate.check(&changed(CHAIN, "7")).unwrap_err().code(), Code::FailedPrecondition);
        heartbeats.check(&changed(CHAIN, "7")).unwrap();
        admitted.send_replace(true);
        gate.check(&changed(CHAIN, "7")).unwrap();
    }
}
