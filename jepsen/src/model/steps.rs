//! Which steps are possible, and what each does. A step that would change nothing is not possible.

use super::budget::DRIVERS;
use super::rule::Rule;
use super::setting::{LOGLETS, OFFSETS, Setting};
use super::step::Step;
use super::world::{DiskCopy, Driver, Place, Store, TailCheck, Unit, World};

/// Converts a small number to the type that worlds use for numbers.
fn small(number: usize) -> u8 {
    u8::try_from(number).expect("a model is small")
}

impl Setting {
    /// Adds all steps that may be possible. [`Self::take`] decides for each whether it is possible.
    pub(super) fn steps(&self, world: &World, steps: &mut Vec<Step>) {
        let units = 0..world.units.len();
        for loglet in 0..=usize::from(world.open) {
            if let Some(value) = world.values.iter().position(|place| *place == Place::Free) {
                steps.push(Step::Grant { loglet, value });
            }
            for unit in units.clone() {
                let stores = 0..world.sequencers[loglet].sent.len();
                steps.extend(stores.map(|store| Step::Arrive { unit, loglet, store }));
            }
            steps.push(Step::BeginCheck { loglet });
            steps.push(Step::StartSequencer { loglet });
            steps.push(Step::Refuse { loglet });
            if self.trims {
                steps.push(Step::Trim { loglet });
                steps.extend(units.clone().map(|unit| Step::Drop { unit, loglet }));
            }
        }
        for driver in 0..DRIVERS {
            steps.push(Step::Begin { driver });
            match world.drivers[driver] {
                Driver::Idle => {}
                Driver::Sealing(_) => {
                    steps.extend(units.clone().map(|unit| Step::Seal { driver, unit }));
                    steps.push(Step::Decide { driver });
                }
                Driver::Repairing(_, end) => {
                    for unit in units.clone() {
                        steps.extend((0..end.into()).map(|offset| Step::Repair { driver, unit, offset }));
                    }
                    steps.push(Step::Install { driver });
                }
            }
        }
        if world.check != TailCheck::None {
            steps.extend(units.clone().map(|unit| Step::AskTail { unit }));
            steps.push(Step::EndCheck);
        }
        for unit in units {
            steps.extend([
                Step::Wipe { unit },
                Step::CopyDisk { unit },
                Step::RestoreDisk { unit },
                Step::Crash { unit },
            ]);
        }
    }

    /// The world after a step; `None` if the step is not possible or changes nothing.
    pub(super) fn take(&self, world: &World, step: Step) -> Option<World> {
        let mut next = world.clone();
        match step {
            Step::Grant { loglet, value } => self.grant(&mut next, loglet, value)?,
            Step::Arrive { unit, loglet, store } => self.arrive(&mut next, unit, loglet, store)?,
            Step::Begin { driver } => {
                next.left.attempts[driver] = next.left.attempts[driver].checked_sub(1)?;
                if next.open >= self.reconfigurations {
                    return None;
                }
                next.drivers[driver] = Driver::Sealing(next.open);
                forget_answers(&mut next, driver);
            }
            Step::Seal { driver, unit } => self.seal(&mut next, driver, unit)?,
            Step::Decide { driver } => {
                let Driver::Sealing(loglet) = next.drivers[driver] else { return None };
                let answers = || world.logs(loglet.into()).map(|log| log.answered[driver]).filter(|a| *a > 0);
                if answers().count() < self.seal_quorum().max(1).into() {
                    return None;
                }
                next.drivers[driver] = Driver::Repairing(loglet, answers().max()? - 1);
            }
            Step::Repair { driver, unit, offset } => self.repair(&mut next, driver, unit, offset)?,
            Step::Install { driver } => self.install(&mut next, driver)?,
            Step::BeginCheck { loglet } => {
                next.left.tail_checks = next.left.tail_checks.checked_sub(1)?;
                if next.check != TailCheck::None {
                    return None;
                }
                next.check = TailCheck::Asking { loglet: small(loglet), floor: self.floor(world) };
            }
            Step::AskTail { unit } => ask_tail(&mut next, unit)?,
            Step::EndCheck => self.end_check(&mut next)?,
            Step::Wipe { unit } => {
                next.left.wipes = next.left.wipes.checked_sub(1)?;
                let keeps_name = !self.holds(Rule::WipedIsNobody);
                put_back(&mut next.units[unit], &DiskCopy::default(), keeps_name);
            }
            Step::CopyDisk { unit } => {
                next.left.restores = next.left.restores.checked_sub(1)?;
                let mut copy = DiskCopy::default();
                for (loglet, log) in next.units[unit].logs.iter().enumerate() {
                    (copy.cells[loglet], copy.tails[loglet], copy.sealed[loglet]) =
                        (log.cells, log.tail, log.is_sealed);
                }
                next.units[unit].copy = Some(copy);
            }
            Step::RestoreDisk { unit } => {
                let copy = next.units[unit].copy.take()?;
                let remembers_more = next.units[unit].logs.iter().enumerate().any(|(loglet, log)| {
                    log.is_member && (log.heard > copy.tails[loglet] || (log.is_heard_sealed && !copy.sealed[loglet]))
                });
                let is_nobody = remembers_more && self.holds(Rule::RestoredIsNobody);
                put_back(&mut next.units[unit], &copy, !is_nobody);
            }
            Step::Crash { unit } => {
                next.left.crashes = next.left.crashes.checked_sub(1)?;
                for log in &mut next.units[unit].logs {
                    log.is_seal_volatile = false;
                    if let Some(lost) = std::mem::take(&mut log.unsynced).checked_sub(1) {
                        log.cells[usize::from(lost)] = 0;
                        log.tail = lost;
                    }
                }
            }
            Step::StartSequencer { loglet } => {
                next.left.sequencer_starts = next.left.sequencer_starts.checked_sub(1)?;
                let sequencer = &mut next.sequencers[loglet];
                sequencer.next = 0;
                if self.holds(Rule::StartRaisesBoot) {
                    sequencer.incarnation += 1;
                }
            }
            Step::Refuse { loglet } => {
                if self.holds(Rule::OffsetIsGivenOnce) {
                    // With this rule, a unit without room can refuse a store only before the offset of the store is
                    // granted. After the grant the sequencer sends the store again.
                    return None;
                }
                next.left.refusals = next.left.refusals.checked_sub(1)?;
                let sequencer = &mut next.sequencers[loglet];
                sequencer.next = sequencer.next.checked_sub(1)?;
                let place = Place::Sent(small(loglet), sequencer.next);
                let value = next.values.iter_mut().find(|at| **at == place)?;
                *value = Place::Free;
            }
            Step::Trim { loglet } => {
                if loglet >= next.open.into() || next.trimmed[loglet] {
                    return None;
                }
                next.trimmed[loglet] = true;
            }
            Step::Drop { unit, loglet } => {
                let log = &mut next.units[unit].logs[loglet];
                if !next.trimmed[loglet] || log.is_dropped || !log.is_member {
                    return None;
                }
                log.cells = [0; OFFSETS];
                log.tail = 0;
                log.is_sealed = false;
                log.is_dropped = self.holds(Rule::DroppedStaysSealed);
            }
        }
        self.settle(&mut next);
        next.units.sort_unstable();
        (next != *world).then_some(next)
    }

    fn grant(&self, world: &mut World, loglet: usize, value: usize) -> Option<()> {
        let sequencer = &mut world.sequencers[loglet];
        let may_serve = sequencer.incarnation == 0 || !self.holds(Rule::OneIncarnation);
        if sequencer.next == small(OFFSETS) || !may_serve {
            return None;
        }
        let store = Store { offset: sequencer.next, value: small(value) + 1, incarnation: sequencer.incarnation };
        if let Err(at) = sequencer.sent.binary_search(&store) {
            sequencer.sent.insert(at, store);
        }
        sequencer.next += 1;
        world.values[value] = Place::Sent(small(loglet), store.offset);
        Some(())
    }

    fn arrive(&self, world: &mut World, unit: usize, loglet: usize, store: usize) -> Option<()> {
        let Store { offset, value, incarnation } = world.sequencers[loglet].sent[store];
        let known = if self.known_tails { world.known(self, loglet) } else { 0 };
        let log = &mut world.units[unit].logs[loglet];
        if !log.is_member || log.is_dropped || (incarnation != 0 && self.holds(Rule::OneIncarnation)) {
            return None;
        }
        let is_sealed = log.is_sealed || log.is_seal_volatile;
        let cell = &mut log.cells[usize::from(offset)];
        if *cell != 0 {
            let counts = *cell == value && is_sealed && !self.holds(Rule::SameIsNoAcknowledgement);
            if counts {
                log.told = log.told.max(offset + 1);
            }
            return counts.then_some(());
        }
        if is_sealed {
            if self.holds(Rule::ChainSettles) {
                return None;
            }
            let place = world.values.get_mut(usize::from(value) - 1)?;
            if *place != Place::Sent(small(loglet), offset) {
                return None;
            }
            *place = Place::Free;
            return Some(());
        }
        // A unit skips cells only when it knows that they are on a write quorum.
        if offset > log.tail && offset > known {
            return None;
        }
        *cell = value;
        log.tail = log.tail.max(offset + 1);
        log.told = log.told.max(log.tail);
        log.heard = log.heard.max(log.tail);
        if !self.holds(Rule::ToldTailIsDurable) {
            // Without the rule, the tail was told before the sync of the newest cell.
            log.unsynced = offset + 1;
        }
        Some(())
    }

    fn seal(&self, world: &mut World, driver: usize, unit: usize) -> Option<()> {
        let Driver::Sealing(loglet) = world.drivers[driver] else { return None };
        let log = &mut world.units[unit].logs[usize::from(loglet)];
        if !log.is_member || log.is_dropped || log.answered[driver] != 0 {
            return None;
        }
        if self.holds(Rule::SealIsDurable) {
            log.is_sealed = true;
        } else if !log.is_sealed {
            log.is_seal_volatile = true;
        }
        log.is_heard_sealed = true;
        log.answered[driver] = log.tail + 1;
        // The sync of the seal covers all cells before it.
        log.unsynced = 0;
        Some(())
    }

    fn repair(&self, world: &mut World, driver: usize, unit: usize, offset: usize) -> Option<()> {
        let Driver::Repairing(loglet, _) = world.drivers[driver] else { return None };
        let loglet = usize::from(loglet);
        let source = world.logs(loglet).filter(|log| log.is_member).map(|log| log.cells[offset]).find(|v| *v != 0)?;
        let log = &mut world.units[unit].logs[loglet];
        let is_sealed = log.is_sealed || log.is_seal_volatile;
        if !log.is_member || log.is_dropped || !is_sealed || log.cells[offset] != 0 {
            return None;
        }
        if offset > log.tail.into() && self.holds(Rule::RepairLeavesNoGap) {
            return None;
        }
        log.cells[offset] = source;
        log.tail = log.tail.max(small(offset) + 1);
        log.heard = log.heard.max(log.tail);
        if !self.holds(Rule::TailFirstSealSecond) || !self.holds(Rule::SealedTailConcludesNothing) {
            // Without the first rule, the unit may read its seal bit before the seal and its tail after the repair. Then
            // it tells the nodes a repaired tail without the seal bit. Without the second rule, the unit tells the seal
            // bit too, but the nodes count the tail in spite of it.
            log.told = log.told.max(log.tail);
        }
        Some(())
    }

    fn install(&self, world: &mut World, driver: usize) -> Option<()> {
        let Driver::Repairing(loglet, end) = world.drivers[driver] else { return None };
        let logs: Vec<_> = world.logs(loglet.into()).filter(|log| log.answered[driver] != 0).collect();
        let wanted = logs.len().min(self.write_quorum.into());
        let is_repaired = (0..usize::from(end))
            .all(|offset| logs.iter().filter(|log| log.is_member && log.cells[offset] != 0).count() >= wanted);
        if loglet != world.open || (!is_repaired && self.holds(Rule::RepairBeforeInstall)) {
            return None;
        }
        world.ends[usize::from(loglet)] = end;
        world.open += 1;
        for unit in &mut world.units {
            unit.logs[usize::from(loglet) + 1].is_member = true;
        }
        world.drivers[driver] = Driver::Idle;
        forget_answers(world, driver);
        Some(())
    }

    /// The position after the last append that is acknowledged or that is below a tail which an earlier check returned.
    fn floor(&self, world: &World) -> u8 {
        let tails = (0..LOGLETS).map(|loglet| {
            let known = world.known(self, loglet).max(world.returned[loglet]);
            if known == 0 { 0 } else { world.start(loglet) + known.min(world.end(loglet).unwrap_or(known)) }
        });
        tails.max().unwrap_or(0)
    }

    fn end_check(&self, world: &mut World) -> Option<()> {
        let TailCheck::Asking { loglet, floor } = world.check else { return None };
        let loglet = usize::from(loglet);
        if !self.holds(Rule::ToldTailAnswersNoCheck) {
            // Without the rule, the reader asks nobody and believes what it was told before.
            let told = world.known(self, loglet);
            world.was_stale |= world.start(loglet) + told < floor;
            world.returned[loglet] = world.returned[loglet].max(told);
            forget_check(world);
            return Some(());
        }
        let answers = || world.units.iter().map(|unit| unit.tail_answer).filter(|answer| *answer > 0);
        let tail = answers().max()? - 1;
        if answers().count() < self.tail_quorum().into() {
            return None;
        }
        if tail > world.known(self, loglet) && self.holds(Rule::TailCheckWaits) {
            return None;
        }
        world.was_stale |= world.start(loglet) + tail < floor;
        world.returned[loglet] = world.returned[loglet].max(tail);
        forget_check(world);
        Some(())
    }

    /// Tells the clients whether their appends are done, as far as the chain and the known tails show it.
    fn settle(&self, world: &mut World) {
        for n in 0..world.values.len() {
            let Place::Sent(loglet, offset) = world.values[n] else { continue };
            let loglet = usize::from(loglet);
            match world.end(loglet) {
                Some(end) if offset < end => world.values[n] = Place::Done,
                Some(_) => world.values[n] = Place::Free,
                None if offset < world.known(self, loglet) => world.values[n] = Place::Done,
                None => {}
            }
        }
    }
}

fn forget_answers(world: &mut World, driver: usize) {
    for unit in &mut world.units {
        for log in &mut unit.logs {
            log.answered[driver] = 0;
        }
    }
}

fn forget_check(world: &mut World) {
    world.check = TailCheck::None;
    for unit in &mut world.units {
        unit.tail_answer = 0;
    }
}

fn ask_tail(world: &mut World, unit: usize) -> Option<()> {
    let TailCheck::Asking { loglet, .. } = world.check else { return None };
    let unit = &mut world.units[unit];
    let log = &unit.logs[usize::from(loglet)];
    if !log.is_member || unit.tail_answer != 0 {
        return None;
    }
    if log.is_sealed || log.is_seal_volatile || log.is_dropped {
        // The reader fetches the chain and begins anew.
        forget_check(world);
    } else {
        unit.tail_answer = log.tail + 1;
    }
    Some(())
}

/// Replaces the content of a unit's disk by that of a copy. `keeps_name` says whether the params of its loglets still
/// name this unit.
fn put_back(unit: &mut Unit, copy: &DiskCopy, keeps_name: bool) {
    for (loglet, log) in unit.logs.iter_mut().enumerate() {
        log.cells = copy.cells[loglet];
        log.tail = copy.tails[loglet];
        log.is_sealed = copy.sealed[loglet];
        log.unsynced = 0;
        log.is_seal_volatile = false;
        log.is_dropped = false;
        log.is_member &= keeps_name;
    }
}
