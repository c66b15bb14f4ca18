//! [`Founding`]: how the seats of a new cluster agree on their log, as a model (`docs/protocol.md`, cluster 12).
//!
//! Single-decree Paxos (Lamport, "Paxos Made Simple", 2001) over the listed seats. The value is the id of the log,
//! which each candidate draws for itself.

use stateright::{Model, Property};

/// How many seats try to found the cluster. Each has ballots of its own.
const CANDIDATES: usize = 2;
/// The id that each candidate draws for the log.
const LOGS: [Log; CANDIDATES] = [1, 2];
/// How many ballots a candidate can try.
const BALLOTS: u8 = 2;

/// A rule of the founding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FoundingRule {
    /// A candidate needs promises. It is not enough that a majority of the seats says that it holds nothing.
    FoundersNeedPromises,
    /// Promises and accepted values are durable before they are answered.
    PromisesAreDurable,
    /// A seat that holds data vetoes a founding.
    DataVetoes,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Founding {
    /// How many seats are listed.
    pub seats: usize,
    /// How many times a seat can crash, all seats together.
    pub crashes: u8,
    /// How many seats can lose their disk after the founding. If there are any, a candidate needs the promises of all
    /// seats.
    pub wipes: u8,
    /// The rule that is left out; `None` if all rules hold.
    pub without: Option<FoundingRule>,
}

/// The id of a log, from 1 on. 0 stands for no log.
type Log = u8;

/// What a seat remembers, and what each candidate knows of it. Seats are interchangeable, so a state keeps them sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Seat {
    promised: u8,
    /// The ballot under which a value was accepted, and the value.
    accepted: (u8, Log),
    /// The log whose data the seat holds.
    data: Log,
    /// For each candidate: whether the seat promised under the candidate's present ballot.
    has_promised: [bool; CANDIDATES],
    /// For each candidate: whether the seat accepted its value under the candidate's present ballot.
    has_accepted: [bool; CANDIDATES],
}

/// What a candidate knows of its ballot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Candidate {
    tried: u8,
    ballot: u8,
    /// The value with the highest ballot among the accepted values that the promises carry: first the ballot, then the
    /// value. Both are 0 if no promise carries a value.
    found: (u8, Log),
    /// Whether a seat was asked to accept the candidate's value. From then on the value does not change.
    is_fixed: bool,
    is_vetoed: bool,
    /// Whether a disk was lost before the candidate took the ballot.
    is_after_loss: bool,
}

/// All seats and candidates.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Seats {
    seats: Vec<Seat>,
    candidates: [Candidate; CANDIDATES],
    /// The logs that were begun: bit n stands for the log with the id n.
    begun: u8,
    /// Whether a candidate that took its ballot after the loss of a disk began a log, although some seat still held
    /// data. This data would be lost.
    was_begun_again: bool,
    crashes: u8,
    wipes: u8,
}

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FoundingStep {
    /// A candidate takes its next ballot.
    Try { candidate: usize },
    /// A seat is asked for a promise under the candidate's ballot, and answers.
    Ask { candidate: usize, seat: usize },
    /// A seat is asked to accept.
    Accept { candidate: usize, seat: usize },
    /// A candidate begins the log that was chosen.
    Begin { candidate: usize },
    /// A seat crashes and starts.
    Crash { seat: usize },
    /// A seat loses its disk.
    Wipe { seat: usize },
}

/// The foundings that are checked, each with its name in the report.
pub fn foundings() -> Vec<(&'static str, Founding)> {
    let founding = |seats, crashes, wipes, without| Founding { seats, crashes, wipes, without };
    vec![
        ("founding by three seats, one crash", founding(3, 1, 0, None)),
        ("founding by three seats, one of which loses its disk", founding(3, 0, 1, None)),
        ("founding by five seats", founding(5, 0, 0, None)),
        (
            "founding by five seats, without FoundersNeedPromises",
            founding(5, 0, 0, Some(FoundingRule::FoundersNeedPromises)),
        ),
        (
            "founding by three seats, without PromisesAreDurable",
            founding(3, 1, 0, Some(FoundingRule::PromisesAreDurable)),
        ),
        ("founding by three seats, without DataVetoes", founding(3, 0, 1, Some(FoundingRule::DataVetoes))),
    ]
}

impl Founding {
    fn holds(&self, rule: FoundingRule) -> bool {
        self.without != Some(rule)
    }

    fn is_majority(&self, seats: usize) -> bool {
        seats > self.seats / 2
    }

    fn may_ask_to_accept(&self, state: &Seats, candidate: usize) -> bool {
        let promises = state.seats.iter().filter(|seat| seat.has_promised[candidate]).count();
        let is_enough = if self.wipes > 0 { promises == self.seats } else { self.is_majority(promises) };
        is_enough && !state.candidates[candidate].is_vetoed
    }

    fn value(candidate: &Candidate, number: usize) -> Log {
        if candidate.found.1 != 0 { candidate.found.1 } else { LOGS[number] }
    }
}

impl Model for Founding {
    type State = Seats;
    type Action = FoundingStep;

    fn init_states(&self) -> Vec<Seats> {
        vec![Seats {
            seats: vec![Seat::default(); self.seats],
            candidates: Default::default(),
            begun: 0,
            was_begun_again: false,
            crashes: self.crashes,
            wipes: self.wipes,
        }]
    }

    fn actions(&self, state: &Seats, steps: &mut Vec<FoundingStep>) {
        for candidate in 0..CANDIDATES {
            steps.extend([FoundingStep::Try { candidate }, FoundingStep::Begin { candidate }]);
            for seat in 0..state.seats.len() {
                steps.extend([FoundingStep::Ask { candidate, seat }, FoundingStep::Accept { candidate, seat }]);
            }
        }
        for seat in 0..state.seats.len() {
            steps.extend([FoundingStep::Crash { seat }, FoundingStep::Wipe { seat }]);
        }
    }

    fn next_state(&self, state: &Seats, step: FoundingStep) -> Option<Seats> {
        let mut next = state.clone();
        match step {
            FoundingStep::Try { candidate } => {
                let c = &mut next.candidates[candidate];
                let tried = c.tried + 1;
                if tried > BALLOTS {
                    return None;
                }
                // The candidates' ballots are never equal.
                let ballot = 2 * tried + LOGS[candidate];
                *c = Candidate { tried, ballot, is_after_loss: state.wipes < self.wipes, ..Candidate::default() };
                for seat in &mut next.seats {
                    (seat.has_promised[candidate], seat.has_accepted[candidate]) = (false, false);
                }
            }
            FoundingStep::Ask { candidate, seat } => {
                let (c, s) = (&mut next.candidates[candidate], &mut next.seats[seat]);
                if c.ballot == 0 || c.is_vetoed || c.is_fixed {
                    return None;
                }
                if s.data != 0 && self.holds(FoundingRule::DataVetoes) {
                    c.is_vetoed = true;
                } else if !self.holds(FoundingRule::FoundersNeedPromises) {
                    // Without the rule, the seat only says that it holds nothing, and the candidate counts this as a
                    // promise.
                    s.has_promised[candidate] |= s.data == 0;
                } else if c.ballot > s.promised {
                    s.promised = c.ballot;
                    s.has_promised[candidate] = true;
                    c.found = c.found.max(s.accepted);
                }
            }
            FoundingStep::Accept { candidate, seat } => {
                let (c, s) = (&mut next.candidates[candidate], &mut next.seats[seat]);
                if !self.may_ask_to_accept(state, candidate) || c.ballot < s.promised {
                    return None;
                }
                s.promised = c.ballot;
                s.accepted = (c.ballot, Self::value(c, candidate));
                s.has_accepted[candidate] = true;
                c.is_fixed = true;
            }
            FoundingStep::Begin { candidate } => {
                let count = |said: fn(&Seat) -> &[bool; CANDIDATES]| {
                    state.seats.iter().filter(|seat| said(seat)[candidate]).count()
                };
                let is_chosen = if self.holds(FoundingRule::FoundersNeedPromises) {
                    self.is_majority(count(|seat| &seat.has_accepted))
                } else {
                    self.is_majority(count(|seat| &seat.has_promised))
                };
                let c = &next.candidates[candidate];
                if !is_chosen || c.is_vetoed {
                    return None;
                }
                let log = Self::value(c, candidate);
                next.begun |= 1 << log;
                next.was_begun_again |= c.is_after_loss && state.seats.iter().any(|seat| seat.data != 0);
                // The seats that accepted hold the log's data from now on.
                for seat in next.seats.iter_mut().filter(|seat| seat.has_accepted[candidate] && seat.data == 0) {
                    seat.data = log;
                }
            }
            FoundingStep::Crash { seat } => {
                next.crashes = next.crashes.checked_sub(1)?;
                if !self.holds(FoundingRule::PromisesAreDurable) {
                    (next.seats[seat].promised, next.seats[seat].accepted) = (0, (0, 0));
                }
            }
            FoundingStep::Wipe { seat } => {
                if next.begun == 0 {
                    return None;
                }
                next.wipes = next.wipes.checked_sub(1)?;
                let Seat { has_promised, has_accepted, .. } = next.seats[seat];
                next.seats[seat] = Seat { has_promised, has_accepted, ..Seat::default() };
            }
        }
        next.seats.sort_unstable();
        (next != *state).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("one log is founded", |_, state: &Seats| state.begun.count_ones() <= 1),
            Property::always("no log is begun again", |_, state: &Seats| !state.was_begun_again),
            Property::sometimes("a log is founded", |_, state: &Seats| state.begun != 0),
        ]
    }
}
