//! The last step of the start of a log server or a sequencer: from then on it keeps up with the members of its cluster.

use std::sync::Arc;

use naxos_proto::seams::{Tasks, start};
use tokio_util::sync::CancellationToken;

use super::opened::Opened;
use crate::http::{HttpState, router};
use crate::node::Part;
use crate::node::cluster::{Followers, KeepUp, Reconciler, keep_up};
use crate::node::hand_over::HandOver;
use crate::node::part_health::PartHealth;
use crate::node::part_inside::PartInside;
use crate::port::GrpcRoutes;

impl Opened {
    /// From here on the process learns of the members from those that replay the log. It serves health checks and metrics.
    pub(super) fn keep_up(self) -> Part {
        let Opened { context, bound, mut workers, log_server, meta, log, member, incarnation, nodes, peers, .. } = self;
        let inside = Arc::new(PartInside {
            incarnation,
            start: self.start,
            starts: self.starts,
            log: Arc::clone(&log),
            unit: Arc::clone(log_server.unit()),
            sequencer: self.sequencer,
            meta: Arc::clone(&meta),
        });
        let Reconciler { roles, asked, written, .. } = self.reconciler;
        let (seams, stops, removed) = (context.seams, context.stops, CancellationToken::new());
        let may_lead = {
            let roles = roles.subscribe();
            Box::new(move |storage| !roles.borrow().learners.contains(&storage))
        };
        let hand_over = HandOver {
            log: Arc::clone(&log),
            meta: Arc::clone(&meta),
            own: incarnation,
            nodes: nodes.clone(),
            clock: Arc::clone(&seams.clock),
            tasks: Tasks::new(Arc::clone(&seams.worker), stops.running.clone()),
            may_lead,
        };
        let health = PartHealth { log: Arc::clone(&log), unit: Arc::clone(log_server.unit()), nodes: nodes.clone() };
        let work = KeepUp {
            storage: incarnation.storage,
            log,
            unit: Arc::clone(log_server.unit()),
            asked,
            written: written.clone(),
            removed: removed.clone(),
        };
        let of_seams = seams.clone();
        workers.push(start(&*seams.worker, "control", stops.running.clone(), {
            let (meta, lock) = (Arc::clone(&meta), log_server.lock());
            move |stop: CancellationToken| async move {
                let _lock = lock;
                let followers =
                    Followers { peers: &peers, meta: &meta, roles: &roles, nodes: &nodes, own: member, known: written };
                stop.run_until_cancelled(keep_up(&of_seams, followers, work)).await;
            }
        }));
        let command_line = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
        let clock = Arc::clone(&seams.clock);
        let http = HttpState::new(&context.config, Arc::new(health), Arc::clone(&context.metrics), clock, command_line);
        let http = Arc::new(http);
        let http = Arc::new(move |_, traffic| router(Arc::clone(&http), traffic));
        let port = bound.serve(Arc::new(|_| GrpcRoutes::default()), http, &context.metrics);
        tracing::info!(role = context.config.role.command(), "ready to take part in the cluster");
        Part { port, stops, workers, log_server, inside, hand_over, removed }
    }
}
