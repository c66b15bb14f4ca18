//! [`Candidate`]: the rounds of a seat that proposes a value.
//!
//! A round takes one ballot, which no other round ever takes: the candidate's own seat promises first, durably, and the
//! next round is above everything that this seat has promised. Then:
//!
//! 1. All listed seats are asked for promises. With a majority of them, the candidate waits a little for the others.
//! 2. The seats that promised are asked to accept the value. When a majority of all listed seats has accepted it, it is
//!    decided.
//! 3. The decision is made durable here, and each seat is told once. A seat that misses this asks later.
//!
//! If two candidates take turns outbidding each other, nothing is decided. So a seat lets another candidate go on for as
//! long as it hears from it, and a candidate that is outbid rests for a random time.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use naxos_proto::contracts::{
    Ballot, FoundingAnswer, FoundingDirectory, FoundingReply, FoundingRequest, FoundingStep, FoundingUnanswered,
    FoundingValue,
};
use naxos_proto::ids::{LogId, MemberId};
use naxos_proto::seams::Instant;

use super::attempt::{Attempt, Heard};
use super::found::{Found, FoundingError};
use super::seat::FoundingSeat;

/// How long a founding may take before a first line is logged that names the seats it waits for. Most take less.
const FIRST_PROGRESS: Duration = Duration::from_secs(1);
/// Least time between two such lines after that.
const PROGRESS_EVERY: Duration = Duration::from_secs(5);

/// How a round ends.
enum Outcome {
    /// A majority has accepted the value that this candidate proposed.
    Decided(FoundingValue),
    /// A seat knows the log of the cluster.
    Founded(FoundingValue),
    /// Another candidate was faster, or there was no majority in time.
    Lost,
}

type Reply = (MemberId, Result<FoundingAnswer, FoundingUnanswered>);

/// See the module.
struct Candidate<'a> {
    seat: &'a FoundingSeat,
    peers: &'a dyn FoundingDirectory,
    /// The id that this candidate proposes for the log.
    log: LogId,
    /// The highest round that the candidate has heard of.
    highest: u64,
    /// Why seats do not take part, for the lines about progress.
    troubles: BTreeMap<MemberId, String>,
    /// When the next line about progress is due.
    report_at: Instant,
}

impl FoundingSeat {
    /// Takes part in the founding until the log of the cluster is known here, durably. `peers` are the other listed
    /// seats. It waits for as long as no majority of the listed seats can be reached, and logs which seats are missing.
    ///
    /// When this returns, the data directory is no longer locked, and
    /// [`FoundJournal::read`](crate::FoundJournal::read) can open it.
    /// # Cancel safety
    /// The call may be dropped and made again. The log may be founded meanwhile.
    pub async fn found(&self, peers: &dyn FoundingDirectory) -> Result<Found, FoundingError> {
        let value = tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(FoundingError::Stopped),
            value = Candidate::new(self, peers).run() => value,
        };
        Ok(Found::new(value?, self.own))
    }
}

impl<'a> Candidate<'a> {
    fn new(seat: &'a FoundingSeat, peers: &'a dyn FoundingDirectory) -> Self {
        let report_at = seat.clock.now().after(FIRST_PROGRESS);
        Self { seat, peers, log: LogId(seat.entropy.id()), highest: 0, troubles: BTreeMap::new(), report_at }
    }

    /// Tries until the decision is durable in this seat's data directory.
    async fn run(mut self) -> Result<FoundingValue, FoundingError> {
        let (seat, config) = (self.seat, &self.seat.config);
        let before = config.seats.iter().filter(|other| **other < config.seat).count();
        let mut rest = config.stagger * u32::try_from(before).expect("a cluster has few seats");
        loop {
            let outcome = tokio::select! {
                biased;
                // Another candidate was faster and has told this seat.
                value = seat.decision() => return value,
                outcome = self.one_round(rest) => outcome,
            };
            match outcome {
                Outcome::Founded(value) => return self.learn(value).await,
                Outcome::Decided(value) => {
                    let value = self.learn(value).await?;
                    tracing::info!(log = format!("{:016x}", value.log.0), founders = %seats_of(&value), "the cluster is founded");
                    self.tell(&value).await;
                    return Ok(value);
                }
                Outcome::Lost => rest = config.retry + self.below(config.patience),
            }
        }
    }

    /// A random time below `bound`.
    fn below(&self, bound: Duration) -> Duration {
        let nanos = u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX).max(1);
        Duration::from_nanos(self.seat.entropy.u64() % nanos)
    }

    async fn one_round(&mut self, rest: Duration) -> Outcome {
        self.wait_for_turn(rest).await;
        let own = self.seat.own;
        let promised = self.seat.view.borrow().record.promised.map_or(0, |ballot| ballot.round);
        // The sum stops at the largest number. Only a false message can bring it there. Then no round is won any more.
        let round = promised.max(self.highest).saturating_add(1);
        let ballot = Ballot { round, seat: own.seat, storage: own.storage };
        let seats = self.seat.config.seats.len();
        let mut attempt = Attempt::new(self.seat.config.cluster, ballot, seats, self.log);
        let step = FoundingStep::Promise { ballot };
        let (_, promise) = ask(self.seat, self.peers, own.seat, step, Duration::ZERO).await;
        if let Some(end) = self.hear(&mut attempt, own.seat, promise) {
            return end;
        }
        if let Some(end) = self.gather(&mut attempt).await {
            return end;
        }
        attempt.propose();
        if let Some(end) = self.gather(&mut attempt).await {
            return end;
        }
        attempt.decided().map_or(Outcome::Lost, |value| Outcome::Decided(value.clone()))
    }

    /// Rests, and then waits until no other candidate was heard for some time.
    async fn wait_for_turn(&mut self, rest: Duration) {
        let (clock, config) = (&self.seat.clock, &self.seat.config);
        let rested = clock.now().after(rest);
        loop {
            let heard = self.seat.view.borrow().heard;
            let due = heard.map_or(rested, |heard| rested.max(heard.after(config.patience + rest)));
            let now = clock.now();
            if now >= due {
                return;
            }
            clock.sleep_until(due.min(self.report_at.max(now.after(config.retry)))).await;
            let other = self.seat.view.borrow().record.promised.map_or(self.seat.own.seat, |ballot| ballot.seat);
            if self.is_report_due() && other != self.seat.own.seat {
                tracing::info!("waiting for seat {:016x}, which founds the cluster", other.0);
            }
        }
    }

    /// Asks the seats for what the attempt needs next, again and again. Returns `None` when it has enough.
    async fn gather(&mut self, attempt: &mut Attempt) -> Option<Outcome> {
        let (seat, peers) = (self.seat, self.peers);
        let (clock, config) = (&seat.clock, &seat.config);
        let give_up = clock.now().after(config.round_max);
        let mut asked_all_until: Option<Instant> = None;
        let mut asks = FuturesUnordered::new();
        let start = |seats: &FuturesUnordered<_>, attempt: &Attempt, to, after| {
            if let Some(step) = attempt.step(to) {
                seats.push(ask(seat, peers, to, step, after));
            }
        };
        for to in &config.seats {
            start(&asks, attempt, *to, Duration::ZERO);
        }
        loop {
            let is_proposed = attempt.is_proposed();
            if attempt.decided().is_some() || (!is_proposed && attempt.has_all()) {
                return None;
            }
            if !is_proposed && attempt.has_majority() && asked_all_until.is_none() {
                asked_all_until = Some(clock.now().after(config.wait_for_all));
            }
            tokio::select! {
                biased;
                Some((from, answer)) = asks.next() => {
                    if let Some(end) = self.hear(attempt, from, answer) {
                        return Some(end);
                    }
                    start(&asks, attempt, from, config.retry);
                }
                () = clock.sleep_until(asked_all_until.unwrap_or(give_up)) => {
                    return if asked_all_until.is_some() { None } else { Some(Outcome::Lost) };
                }
                () = clock.sleep_until(self.report_at) => self.report(attempt),
            }
        }
    }

    /// Takes an answer into account. `Some` if it ends the round.
    fn hear(
        &mut self,
        attempt: &mut Attempt,
        from: MemberId,
        answer: Result<FoundingAnswer, FoundingUnanswered>,
    ) -> Option<Outcome> {
        let heard = match answer {
            Ok(answer) => attempt.hear(from, answer),
            Err(unanswered) => {
                self.troubles.insert(from, unanswered.to_string());
                return None;
            }
        };
        match heard {
            Heard::Counted => {
                self.troubles.remove(&from);
                None
            }
            Heard::Outbid(ballot) => {
                self.highest = self.highest.max(ballot.round);
                Some(Outcome::Lost)
            }
            Heard::Founded(value) => Some(Outcome::Founded(value)),
            Heard::Refused(refusal) => {
                self.troubles.insert(from, refusal.to_string());
                None
            }
            Heard::OtherSeat(cluster, seat) => {
                let text = format!("seat {:016x} of cluster {:016x} answers at its address", seat.0, cluster.0);
                self.troubles.insert(from, text);
                None
            }
        }
    }

    /// Makes the decision durable in this seat's data directory. Returns the decision that is recorded there.
    async fn learn(&self, value: FoundingValue) -> Result<FoundingValue, FoundingError> {
        let step = FoundingStep::Learn { value };
        let (_, answer) = ask(self.seat, self.peers, self.seat.own.seat, step, Duration::ZERO).await;
        match answer {
            Ok(FoundingAnswer { reply: FoundingReply::Founded(value), .. }) => Ok(value),
            // The Worker has ended, and this says why.
            _ => self.seat.decision().await,
        }
    }

    /// Tells the other seats once. A seat that does not hear it asks later.
    async fn tell(&self, value: &FoundingValue) {
        let others = self.seat.config.seats.iter().filter(|seat| **seat != self.seat.own.seat);
        let tell = |to: &MemberId| {
            let step = FoundingStep::Learn { value: value.clone() };
            ask(self.seat, self.peers, *to, step, Duration::ZERO)
        };
        let mut told: FuturesUnordered<_> = others.map(tell).collect();
        while told.next().await.is_some() {}
    }

    fn is_report_due(&mut self) -> bool {
        let now = self.seat.clock.now();
        let is_due = now >= self.report_at;
        if is_due {
            self.report_at = now.after(PROGRESS_EVERY);
        }
        is_due
    }

    /// Logs which seats have not answered, and why, if a line is due.
    fn report(&mut self, attempt: &Attempt) {
        if !self.is_report_due() {
            return;
        }
        let seats = &self.seat.config.seats;
        let missing: Vec<String> = seats
            .iter()
            .filter(|seat| !attempt.has_answer_of(**seat))
            .map(|seat| match self.troubles.get(seat) {
                Some(trouble) => format!("{:016x} ({trouble})", seat.0),
                None => format!("{:016x}", seat.0),
            })
            .collect();
        tracing::info!(
            "founding the cluster: waiting for {} of {} seats: {}",
            missing.len(),
            seats.len(),
            missing.join(", ")
        );
    }
}

/// Asks the seat `to` after a rest. If that is not this seat itself, waits for the answer at most as long as the
/// settings say.
async fn ask(
    seat: &FoundingSeat,
    peers: &dyn FoundingDirectory,
    to: MemberId,
    step: FoundingStep,
    after: Duration,
) -> Reply {
    let (clock, config) = (&seat.clock, &seat.config);
    if after > Duration::ZERO {
        clock.sleep(after).await;
    }
    let request = FoundingRequest { cluster: config.cluster, from: seat.own, to, step };
    if to == seat.own.seat {
        return (to, seat.ask_here(request).await);
    }
    let Some(peer) = peers.seat(to) else {
        return (to, Err(FoundingUnanswered("its address is not known".to_owned())));
    };
    let answer = tokio::select! {
        biased;
        answer = peer.ask(request) => answer,
        () = clock.sleep(config.answer_max) => {
            Err(FoundingUnanswered(format!("no answer within {} ms", config.answer_max.as_millis())))
        }
    };
    (to, answer)
}

/// The founders, for a person to read.
fn seats_of(value: &FoundingValue) -> String {
    let seats: Vec<String> = value.founders.iter().map(|founder| format!("{:016x}", founder.seat.0)).collect();
    seats.join(", ")
}
