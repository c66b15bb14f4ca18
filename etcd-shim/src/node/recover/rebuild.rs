//! [`rebuild`]: makes the new data directory of a plan.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use naxos_client::SharedLog;
use naxos_engines::base::{self, Control, Header};
use naxos_engines::batching::{batch_of, commands_of};
use naxos_engines::compression::expand;
use naxos_engines::local_store::{STORE_FILE, StoreError, install_snapshot};
use naxos_engines::objects::ObjectsApply;
use naxos_engines::stack::{Stack, StackConfig, StackError};
use naxos_engines::view_tracking::HeldLog;
use naxos_engines::{Entry, LocalStore};
use naxos_log_server::founding::found_alone;
use naxos_log_server::{FoundJournal, LogServerConfig, RECOVERY_DIR};
use naxos_proto::contracts::Founder;
use naxos_proto::ids::{Boot, Incarnation, LogId, Lsn, MemberId, StoreId};
use naxos_proto::role::Role;
use naxos_proto::seams::{Disk, OpenMode, Seams, start};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::describe::time;
use super::recovered_file::{FILE, Recovered, write};
use super::sub_disk::SubDisk;
use super::swap::{clear, swap};
use super::{Plan, RecoverError};
use crate::node::start::{LoadError, reopen_store};
use crate::state::apply::Guests;
use crate::state::own::{CannotApply, OwnMachine};
use crate::state::{Applicator, Command, Machine, Recover, SharedStore};

/// Bytes of the log that are read at once.
const READ_BYTES: usize = 4 << 20;
/// Bytes that are copied at once.
const COPY_BYTES: u64 = 4 << 20;
/// At most this many bytes of values are in memory.
const RESIDENT_BYTES: usize = 256 << 20;
/// Bytes that are needed besides those of the local store: the first segment of the journal, and what stays free.
const ROOM_BYTES: u64 = 192 << 20;
/// The time between two lines that tell the progress.
const TELL_EVERY: Duration = Duration::from_secs(2);
/// The name of the local store while it gets its new owner.
const STORE_MADE: &str = "recovered.redb";

/// What was made.
pub(crate) struct Outcome {
    /// The log of the new directory.
    pub(crate) log: LogId,
    /// The first position of the log.
    pub(crate) begin: Lsn,
    /// The revision of the newest write that was kept.
    pub(crate) revision_before: i64,
    /// The revision now. Everything up to it counts as compacted.
    pub(crate) revision: i64,
}

/// The new directory while it is being made.
struct Rebuild<'a> {
    plan: &'a Plan,
    /// The seams with the disk of the folder `recovery`.
    seams: Seams,
    own: Founder,
    /// The program's own state machine, if it has one.
    applicator: Option<Arc<dyn Applicator>>,
    tell: &'a dyn Fn(&str),
}

/// Makes the new directory in the root of `seams.disk`, whose lock the caller has. Tells each step before it takes it.
/// # Cancel safety
/// If it is dropped before the last step, the directories of the survivors are as they were, and it may be called again
/// and begins anew. If it is dropped in the last step, [`finish_swap`](super::finish_swap) goes on.
pub(crate) async fn rebuild(
    plan: &Plan,
    seams: &Seams,
    target: &str,
    applicator: Option<Arc<dyn Applicator>>,
    tell: &dyn Fn(&str),
) -> Result<Outcome, RecoverError> {
    let disk = Arc::clone(&seams.disk);
    let own = Founder { seat: MemberId(plan.member.id), storage: Role::Node.draw(&*seams.entropy) };
    let log = LogId(seams.entropy.id());
    let folder: Arc<dyn Disk> = Arc::new(SubDisk { disk: Arc::clone(&disk), folder: RECOVERY_DIR });
    let seams = Seams { disk: Arc::clone(&folder), ..seams.clone() };
    let making = Rebuild { plan, seams, own, applicator, tell };
    let steps = plan.steps(target);
    let step = |number: usize| tell(&format!("step {number} of {}: {}", steps.len(), steps[number - 1]));

    step(1);
    clear(&*disk).await?;
    disk.create_dir(RECOVERY_DIR).await.map_err(|error| RecoverError::Io(RECOVERY_DIR.to_owned(), error))?;
    found_alone(&*folder, plan.cluster(), own, log).await?;
    drop(FoundJournal::read(making.seams.clone(), LogServerConfig::default()).await?);
    step(2);
    making.copy_store().await?;
    step(3);
    let (revision_before, revision) = making.play(|| step(4)).await?;
    let begin = plan.tail.next();
    install_snapshot(&*folder, STORE_MADE, own.storage, begin).await?;
    let outcome = Outcome { log, begin, revision_before, revision };
    write(&*folder, FILE, &making.recovered(&outcome)).await?;
    disk.sync_dir("").await.map_err(|error| RecoverError::Io(String::new(), error))?;
    step(5);
    swap(&*disk).await?;
    Ok(outcome)
}

impl Rebuild<'_> {
    /// Copies the local store of the survivor that was chosen. Makes an empty one if that survivor has none.
    async fn copy_store(&self) -> Result<(), RecoverError> {
        let (from, to) = (&self.plan.base().seams.disk, &self.seams.disk);
        let bytes = self.plan.base().store.as_ref().map_or(0, |store| store.bytes);
        let io = |error| RecoverError::Io(format!("{RECOVERY_DIR}/{STORE_FILE}"), error);
        let (free, needed) = (to.free_bytes().await.map_err(io)?, bytes + ROOM_BYTES);
        if free < needed {
            return Err(RecoverError::NoRoom { needed, free });
        }
        if bytes == 0 {
            let (disk, clock) = (Arc::clone(to), Arc::clone(&self.seams.clock));
            drop(LocalStore::open(disk, clock).await?);
            return Ok(());
        }
        let io_source = |error| RecoverError::Io(format!("{}/{STORE_FILE}", self.plan.base().name), error);
        let source = from.open(STORE_FILE, OpenMode::Existing).await.map_err(io_source)?;
        let copy = to.open(STORE_FILE, OpenMode::Create).await.map_err(io)?;
        let (mut at, mut told) = (0, self.seams.clock.now());
        while at < bytes {
            let len = COPY_BYTES.min(bytes - at);
            let piece = source.read_at(at, usize::try_from(len).expect("a piece is small")).await.map_err(io_source)?;
            copy.write_at(at, &[piece]).await.map_err(io)?;
            at += len;
            if self.seams.clock.now().since(told) >= TELL_EVERY {
                told = self.seams.clock.now();
                (self.tell)(&format!("  {at} of {bytes} bytes"));
            }
        }
        copy.sync().await.map_err(io)?;
        to.sync_dir("").await.map_err(io)
    }

    /// Applies the log of the survivors to the copy, and then the command that leaves only one member in the cluster.
    /// Returns the revisions before and after that command.
    async fn play(&self, before_recovery: impl FnOnce()) -> Result<(i64, i64), RecoverError> {
        let Plan { tail, .. } = self.plan;
        let opened = reopen_store(&self.seams, self.plan.base().storage, RESIDENT_BYTES).await;
        let (local, store) = opened.map_err(|error| match error {
            LoadError::Store(error) => RecoverError::NewStore(error),
            LoadError::Newer(newer) => RecoverError::Newer(self.plan.base().name.clone(), newer),
            LoadError::Engine(unknown) => RecoverError::Engine(self.plan.base().name.clone(), unknown),
        })?;
        let (reader, checkpointer) = (local.reader(), local.checkpointer(0));
        if self.applicator.is_none() {
            self.refuse_own_commands(reader.applied()).await?;
        }
        let ends = CancellationToken::new();
        // A recovery that fails or is dropped must not leave the Worker behind.
        let _ends = ends.clone().drop_guard();
        let failed: Arc<Mutex<Option<StoreError>>> = Arc::default();
        let worker = start(&*self.seams.worker, "checkpoint", ends.clone(), {
            // With `--force-new-cluster`, the Worker writes below the directory of the survivor, which has the lock.
            let (failed, locked) = (Arc::clone(&failed), Arc::clone(&self.plan.base().cells));
            |stop| async move {
                let _locked = locked;
                let outcome = checkpointer.run(stop, |_| ()).await;
                *failed.lock() = outcome.err();
            }
        });
        let log = Arc::new(self.plan.log());
        let machine = Machine::new(Arc::clone(&store), reader.clone(), ());
        // The log is applied on this thread, so a failure needs nobody else to end.
        let failure = CannotApply::default();
        let own = self.applicator.clone().map(|own| OwnMachine::new(own, reader.clone(), failure.clone()));
        let machine = machine.beside(Guests::new(ObjectsApply::open(&reader)?.0, own, failure));
        let config = StackConfig {
            log: Arc::clone(&log) as Arc<dyn SharedLog>,
            log_id: self.plan.base().log,
            incarnation: Incarnation { storage: self.plan.base().storage, boot: Boot(0) },
            clock: Arc::clone(&self.seams.clock),
            held: HeldLog {
                bytes: Arc::new(|| 0),
                bytes_max: u64::MAX,
                servers_min: Arc::new(AtomicUsize::new(1)),
                sealed_below: Arc::new(|| Lsn::ZERO),
            },
        };
        let stack = Stack::new(config, local, machine);
        let played = async {
            let replays = stack.replay();
            tokio::pin!(replays);
            loop {
                tokio::select! {
                    biased;
                    replayed = &mut replays => break replayed,
                    () = self.seams.clock.sleep(TELL_EVERY) => {
                        (self.tell)(&format!("  applied up to position {} of {tail}", reader.applied()));
                    }
                }
            }
        };
        let mut outcome = played.await.map(|_| store.read().revision);
        let before = *outcome.as_ref().unwrap_or(&0);
        if outcome.is_ok() {
            before_recovery();
            assert!(log.last.set(self.last_entry(&store).encode()).is_ok(), "the entry is made once");
            outcome = stack.replay().await.map(|_| store.read().revision);
        }
        // The new cluster has no other member whose state could differ.
        reader.clear_differs();
        drop(stack);
        ends.cancel();
        worker.join().await.map_err(|_| RecoverError::Lost)?;
        if let Some(error) = failed.lock().take() {
            return Err(error.into());
        }
        let after = outcome?;
        drop((reader, store));
        let io = |error| RecoverError::Io(format!("{RECOVERY_DIR}/{STORE_FILE}"), error);
        self.seams.disk.rename(STORE_FILE, STORE_MADE).await.map_err(io)?;
        Ok((before, after))
    }

    /// Refuses the log if it has commands of a program's own state machine at position `from` or later. This program
    /// has no state machine of its own, so it cannot apply them.
    async fn refuse_own_commands(&self, mut from: Lsn) -> Result<(), RecoverError> {
        let (log, tail) = (self.plan.log(), self.plan.tail);
        while from < tail {
            let (records, next) = log.read(from, tail, READ_BYTES).await.map_err(StackError::from)?;
            for record in records {
                let entry = Entry::decode(record.payload);
                let commands = entry.and_then(|entry| commands_of(&*expand(&entry)?)).unwrap_or_default();
                // What cannot be decoded is refused when it is applied.
                if commands.into_iter().any(|one| matches!(Command::decode(one), Ok((_, Command::Own(_))))) {
                    return Err(RecoverError::OwnCommand(record.lsn));
                }
            }
            from = next;
        }
        Ok(())
    }

    /// The entry that makes a cluster of one.
    fn last_entry(&self, store: &SharedStore) -> Entry {
        let seats = store.read().seats.held(&self.plan.base().founders);
        let recover = Recover {
            member: self.plan.member.clone(),
            storage: self.own.storage,
            ended: seats.into_iter().collect(),
            revisions: self.plan.revisions,
        };
        let from = Incarnation { storage: self.own.storage, boot: Boot(0) };
        let mut entry = batch_of(from, &[Command::Recover(recover).encode(StoreId(0))]);
        let header = Header { proposer: from, wall: self.seams.clock.wall(), control: Control::None };
        entry.set_header(base::INFO.id, header.encode());
        entry
    }

    fn recovered(&self, outcome: &Outcome) -> Recovered {
        let Plan { survivors, chosen, certain, .. } = self.plan;
        let others = survivors.iter().enumerate().filter(|(at, _)| at != chosen).map(|(_, other)| other);
        let from = std::iter::once(self.plan.base()).chain(others).map(|one| format!("{:016x}", one.storage.0));
        Recovered {
            magic: String::new(),
            version: 0,
            time: time(self.seams.clock.wall()),
            from: from.collect(),
            old_log: format!("{:016x}", self.plan.base().log.0),
            log: format!("{:016x}", outcome.log.0),
            begin: outcome.begin.0,
            certain: certain.0,
            revision_before: outcome.revision_before,
            revision: outcome.revision,
            crc32: 0,
        }
        .sealed()
    }
}
