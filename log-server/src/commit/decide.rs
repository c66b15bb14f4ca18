//! Decides what each command does: asks the pure rules, drafts the records and stages the answer.

use naxos_proto::contracts::{Cell, CellOutcome, CellState, LocalTail, Purpose, Store, Stored, UnitError, UnitParams};
use naxos_proto::ids::{Incarnation, LogletId, Offset};

use crate::commit::Command;
use crate::commit::committer::Committer;
use crate::commit::draft_batch::{DraftBatch, Staged};
use crate::commit::verdicts::Verdicts;
use crate::journal::{Draft, Kind, change_draft, preamble_bytes};
use crate::serve::Planned;
use crate::unit::{Change, Loglet, RaftChange, Verdict};

/// What a cell is compared with: the bytes of a payload, or `None` for junk.
type Body<'a> = Option<&'a [u8]>;

impl Committer {
    /// Asks the rules about `command` and stages its answer.
    pub(crate) async fn decide(&mut self, command: Command, verdicts: &Verdicts, batch: &mut DraftBatch) {
        if let Some(refusal) = verdicts.refusal(&command) {
            // The refusal is staged too, so that answers keep the order of the calls.
            return batch.staged.push(refused(command, refusal.clone()));
        }
        let staged = match command {
            Command::Store(store, done) => Staged::Cells(done, self.store(store, batch).await),
            Command::Fill(id, asker, at, purpose, done) => {
                Staged::Cells(done, self.fill(id, asker, at, purpose, batch).await)
            }
            Command::Open(id, params, done) => Staged::Unit(done, self.open(id, params, batch)),
            Command::Seal(id, done) => Staged::Tail(done, self.seal(id, batch)),
            Command::Trim(id, up_to, done) => Staged::Unit(done, self.trim(id, up_to, batch)),
            Command::Drop(id, done) => {
                if !self.catalog.is_dropped(id) {
                    self.change(Change::Drop(id), batch);
                    batch.drops = true;
                }
                Staged::Unit(done, Ok(()))
            }
            Command::Floor(log, ordinal, done) => {
                self.change(Change::Floor(log, ordinal), batch);
                batch.drops = true;
                Staged::Unit(done, Ok(()))
            }
            Command::Raft(changes, done) => Staged::Unit(done, self.raft(changes, batch)),
        };
        batch.staged.push(staged);
    }

    fn change(&mut self, change: Change, batch: &mut DraftBatch) {
        batch.drafts.push(change_draft(&change));
        self.catalog.apply(&change);
    }

    /// The loglet that a store or a fill addresses, with the newest known tail.
    fn addressed(&mut self, id: LogletId, asker: Incarnation, purpose: Purpose) -> Result<&mut Loglet, UnitError> {
        let loglet = self.catalog.loglet(id)?;
        loglet.check_incarnation(id, asker)?;
        if let Purpose::Append { known_tail } = purpose {
            loglet.raise_known_tail(known_tail);
        }
        if let Ok(published) = self.roster.get(id) {
            loglet.raise_known_tail(published.local().known_tail);
        }
        Ok(loglet)
    }

    async fn store(&mut self, store: Store, batch: &mut DraftBatch) -> Result<Stored, UnitError> {
        let Store { loglet: id, incarnation, at: first, cells, purpose } = store;
        let kind = Kind::of_cells(self.status.cluster_version());
        let loglet = self.addressed(id, incarnation, purpose)?;
        let known_tail = loglet.known_tail;
        // The answer must hold the seal bit as it is after the store. Only this thread stores and seals, so the bit
        // does not change until then.
        let sealed = loglet.sealed;
        batch.touched.insert(id);
        let mut outcomes = Vec::with_capacity(cells.len());
        let mut held = Vec::new();
        batch.drafts.reserve(cells.len());
        for (i, cell) in cells.into_iter().enumerate() {
            let at = first.plus(i as u64);
            outcomes.push(match loglet.verdict_for(purpose, at) {
                Verdict::Free => {
                    loglet.write(at);
                    let Cell { payload: body, commands, in_streams: _ } = cell;
                    batch.drafts.push(Draft { kind, loglet: id, offset: at, incarnation, known_tail, commands, body });
                    CellOutcome::Written
                }
                Verdict::Held => {
                    held.push((i, at, cell.payload));
                    CellOutcome::Different
                }
                Verdict::Trimmed => CellOutcome::Same,
                Verdict::Sealed => CellOutcome::Sealed,
                Verdict::Gap => CellOutcome::Gap,
            });
        }
        for (i, at, payload) in held {
            let replaces = purpose == Purpose::Repair && self.is_damaged(id, at, batch).await;
            outcomes[i] = if replaces {
                let body = payload;
                batch.drafts.push(Draft { kind, loglet: id, offset: at, incarnation, known_tail, commands: 1, body });
                CellOutcome::Written
            } else {
                self.compare(id, at, Some(&payload), batch).await
            };
        }
        Ok(Stored { cells: outcomes, sealed })
    }

    async fn fill(
        &mut self,
        id: LogletId,
        incarnation: Incarnation,
        at: Offset,
        purpose: Purpose,
        batch: &mut DraftBatch,
    ) -> Result<Stored, UnitError> {
        let loglet = self.addressed(id, incarnation, purpose)?;
        // As for a store, the answer holds the seal bit as it is afterwards.
        let sealed = loglet.sealed;
        batch.touched.insert(id);
        let junk = Draft::new(Kind::Junk, bytes::Bytes::new());
        let junk = Draft { loglet: id, offset: at, incarnation, known_tail: loglet.known_tail, ..junk };
        let outcome = match loglet.verdict_for(purpose, at) {
            Verdict::Free => {
                loglet.write(at);
                batch.drafts.push(junk);
                CellOutcome::Written
            }
            Verdict::Held if purpose == Purpose::Repair && self.is_damaged(id, at, batch).await => {
                batch.drafts.push(junk);
                CellOutcome::Written
            }
            Verdict::Held => self.compare(id, at, None, batch).await,
            Verdict::Trimmed => CellOutcome::Different,
            Verdict::Sealed => CellOutcome::Sealed,
            Verdict::Gap => CellOutcome::Gap,
        };
        Ok(Stored { cells: vec![outcome], sealed })
    }

    /// Whether the record of a cell or of junk that this unit holds is damaged. A repair writes the record again: an
    /// offset never gets a second value, so a copy from another unit has the bytes that were lost. An append never
    /// writes the record again, because an append may bring other bytes. The new record is in a later batch than the
    /// damaged record. So a start reads the new record last, and the last one counts.
    async fn is_damaged(&self, id: LogletId, at: Offset, batch: &DraftBatch) -> bool {
        if batch.drafts.iter().any(|d| d.kind.is_cell() && d.loglet == id && d.offset == at) {
            return false;
        }
        match self.roster.get(id).ok().and_then(|published| published.held(at)) {
            Some(Planned::Ready(CellState::Corrupt)) => true,
            Some(Planned::OnDisk(place)) => matches!(self.files.read(&[place]).await.as_deref(), Ok([None])),
            _ => false,
        }
    }

    /// Answers `Same` or `Different`. A damaged cell is `Different`, because nobody can tell what it was.
    async fn compare(&self, id: LogletId, at: Offset, body: Body<'_>, batch: &DraftBatch) -> CellOutcome {
        let drafted = batch.drafts.iter().rev().find(|d| d.kind.is_cell() && d.loglet == id && d.offset == at);
        let same = if let Some(draft) = drafted {
            body == draft.kind.has_value().then_some(&draft.body[..])
        } else {
            match self.roster.get(id).ok().and_then(|p| p.held(at)) {
                Some(Planned::Ready(CellState::Present(held))) => body == Some(&held[..]),
                Some(Planned::Ready(CellState::Junk)) => body.is_none(),
                Some(Planned::OnDisk(place)) => match self.files.read(&[place]).await.as_deref() {
                    Ok([Some(held)]) => body == Some(&held[..]),
                    _ => false,
                },
                _ => false,
            }
        };
        if same { CellOutcome::Same } else { CellOutcome::Different }
    }

    fn open(&mut self, id: LogletId, params: UnitParams, batch: &mut DraftBatch) -> Result<(), UnitError> {
        if self.catalog.check_open(id, params)? {
            self.check_preamble(0)?;
            self.change(Change::Open(id, params), batch);
            batch.touched.insert(id);
        }
        Ok(())
    }

    fn seal(&mut self, id: LogletId, batch: &mut DraftBatch) -> Result<LocalTail, UnitError> {
        if !self.catalog.loglet(id)?.sealed {
            self.change(Change::Seal(id), batch);
            batch.touched.insert(id);
        }
        let mut local = self.catalog.loglet(id)?.local();
        if let Ok(published) = self.roster.get(id) {
            local.known_tail = local.known_tail.max(published.local().known_tail);
        }
        Ok(local)
    }

    fn trim(&mut self, id: LogletId, up_to: Offset, batch: &mut DraftBatch) -> Result<(), UnitError> {
        if up_to > self.catalog.loglet(id)?.trim_point {
            self.change(Change::Trim(id, up_to), batch);
            batch.touched.insert(id);
        }
        Ok(())
    }

    fn raft(&mut self, changes: Vec<RaftChange>, batch: &mut DraftBatch) -> Result<(), UnitError> {
        let grows = changes.iter().map(|c| match c {
            RaftChange::Entry(_, b) | RaftChange::Snapshot(b) => b.len() as u64,
            _ => 0,
        });
        self.check_preamble(grows.sum())?;
        for change in changes {
            self.change(Change::Raft(change), batch);
        }
        Ok(())
    }

    /// Refuses a change after which a segment might have no room for both a preamble and a batch. The unit could then
    /// never begin a segment again.
    fn check_preamble(&self, grows_by: u64) -> Result<(), UnitError> {
        let fits = preamble_bytes(&self.catalog) + grows_by <= self.segment_bytes / 4;
        if fits { Ok(()) } else { Err(UnitError::Invalid("the unit's metadata has outgrown a quarter of a segment")) }
    }
}

fn refused(command: Command, error: UnitError) -> Staged {
    match command {
        Command::Store(_, done) | Command::Fill(.., done) => Staged::Cells(done, Err(error)),
        Command::Seal(_, done) => Staged::Tail(done, Err(error)),
        Command::Open(_, _, done) | Command::Trim(_, _, done) | Command::Floor(_, _, done) => {
            Staged::Unit(done, Err(error))
        }
        Command::Drop(_, done) | Command::Raft(_, done) => Staged::Unit(done, Err(error)),
    }
}
