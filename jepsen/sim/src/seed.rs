//! [`run_seed`]: one seed from start to end.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use naxos_proto::seams::sim::Drive;
use parking_lot::Mutex;
use turmoil::Sim;

use crate::faults::Faults;
use crate::history::{AllRows, History};
use crate::member::{BUSY, Finished, Member, NAMES, Told};
use crate::program::Program;
use crate::recorder::text_of;
use crate::world::world;

/// The nodes must have the same rows by this time.
const END_MAX: Duration = Duration::from_secs(25);

/// Runs a seed. Returns what happened, for people, or the rule that was broken.
pub(crate) fn run_seed(program: &Program, seed: u64) -> Result<String, String> {
    let history = Arc::new(Mutex::new(History::default()));
    let (told, finished): (Told, Finished) = Default::default();
    let mut sim = world(seed, END_MAX * 2);
    let members: Vec<Member> = (0..)
        .zip(NAMES)
        .map(|(n, name)| Member {
            name,
            drive: Drive::new(seed.wrapping_mul(101).wrapping_add(n)),
            history: Arc::clone(&history),
            told: Rc::clone(&told),
            program: program.clone(),
            finished: Rc::clone(&finished),
            seed: seed.wrapping_mul(103).wrapping_add(n),
            starts: Rc::new(RefCell::new(0)),
        })
        .collect();
    for member in &members {
        let member = member.clone();
        sim.host(member.name, move || member.clone().run());
    }
    let mut faults = Faults::new(members, seed);
    let ended = drive(&mut sim, &mut faults, &history, (&told, &finished), program);
    let simulated = sim.elapsed();
    // What destructors do after the simulation does not belong to the run.
    std::mem::forget(sim);
    ended?;
    let mut history = history.lock();
    history.check_calls()?;
    let [crashes, partitions, slow] = faults.counts;
    Ok(format!(
        "{} commands acknowledged, {} unknown, {crashes} crashes, {partitions} partitions, {slow} slow disks, {simulated:?} \
         simulated",
        history.acknowledged_count(),
        history.unknown
    ))
}

/// Drives the simulation until all nodes have the rows that the commands give.
fn drive(
    sim: &mut Sim<'_>,
    faults: &mut Faults,
    history: &Mutex<History>,
    (told, finished): (&Told, &Finished),
    program: &Program,
) -> Result<(), String> {
    loop {
        let stepped = catch_unwind(AssertUnwindSafe(|| sim.step()));
        if let Some(broken) = history.lock().broken() {
            return Err(broken.clone());
        }
        match stepped {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return Err(error.to_string()),
            Err(panic) => return Err(format!("a node panicked: {}", text_of(&*panic))),
        }
        faults.step(sim);
        if sim.elapsed() > BUSY && told.borrow().len() == NAMES.len() {
            // A node notes a command in the history before it tells rows that the command changed. So the history has
            // all commands that the told rows show.
            let expected = history.lock().replay(&*(program.make)());
            let differs = difference(&expected, told);
            if differs.is_none() && finished.borrow().len() == NAMES.len() {
                return Ok(());
            }
            if let Some(differs) = differs.filter(|_| sim.elapsed() > END_MAX) {
                return Err(format!("the rows stay different at the end: {differs}"));
            }
            told.borrow_mut().clear();
        }
        if sim.elapsed() > END_MAX {
            let why = "not all nodes serve, or what runs beside them has not returned";
            return Err(format!("{:?} after the last fault, {why}", END_MAX - BUSY));
        }
    }
}

fn difference(expected: &AllRows, told: &Told) -> Option<String> {
    let told = told.borrow();
    told.iter().find_map(|(node, rows)| Some(format!("node {node}, {}", History::difference(expected, rows)?)))
}
