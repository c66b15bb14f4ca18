//! Runs clients and watchers on a few threads for one measured window.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use tokio::sync::oneshot;
use tokio::task::LocalSet;

use super::client::{Client, Done, Task};
use super::connection::{Connection, Endpoint};
use super::schedule::Schedule;
use super::tally::Tally;
use super::watcher::Watcher;
use super::work::Shape;
use crate::pace;

/// How long a call may go on after the end of the window. After that it counts as failed.
const LAST_CALLS: Duration = Duration::from_secs(60);

/// How long a client of a closed loop pauses after a failed call.
const AFTER_FAILURE: Duration = Duration::from_millis(10);

/// How long connecting and opening the watches may take.
const READY: Duration = Duration::from_secs(30);

/// One run of the generator.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The servers. Connections are distributed over them in turn.
    pub endpoints: Vec<Endpoint>,
    /// The work of each client.
    pub task: Task,
    /// The numbers of clients, connections and watchers.
    pub shape: Shape,
    /// Number of calls per second, of all clients together (open loop). `None` for the closed loop.
    pub rate: Option<f64>,
    /// How long there is load before the measuring begins.
    pub warm_up: Duration,
    /// Length of the measured window.
    pub duration: Duration,
    /// Number of threads. Each has its share of the connections.
    pub threads: usize,
}

/// The measured window. A call counts if it ends in the window (closed loop), or if it was meant to begin in it (open
/// loop).
#[derive(Debug, Clone, Copy)]
pub struct Window {
    /// When the load begins.
    pub load: Instant,
    /// When measuring begins.
    pub start: Instant,
    /// When measuring ends.
    pub end: Instant,
}

/// A load that is running. It ends by itself.
#[derive(Debug)]
pub struct Running {
    threads: Vec<JoinHandle<Result<Tally>>>,
    window: Window,
}

impl Running {
    /// Connects, opens the watches, and starts the load.
    pub fn start(plan: Plan) -> Result<Self> {
        let plan = Arc::new(plan);
        let count = plan.threads.clamp(1, plan.shape.connections.max(1));
        let (ready, is_ready) = mpsc::sync_channel(count);
        let (mut threads, mut gates) = (Vec::new(), Vec::new());
        for index in 0..count {
            let (gate, go) = oneshot::channel();
            gates.push(gate);
            let (plan, ready) = (Arc::clone(&plan), ready.clone());
            threads.push(pace::thread(&format!("load-{index}"), move || {
                pace::runtime()?.block_on(LocalSet::new().run_until(part(&plan, index, count, ready, go)))
            }));
        }
        for _ in 0..count {
            is_ready.recv_timeout(READY).context("the connections are not ready")?.map_err(|error| anyhow!(error))?;
        }
        let load = pace::now();
        let window = Window { load, start: load + plan.warm_up, end: load + plan.warm_up + plan.duration };
        for gate in gates {
            // If the thread is gone, joining it will tell why.
            let _ = gate.send(window);
        }
        Ok(Self { threads, window })
    }

    /// The measured window.
    pub fn window(&self) -> Window {
        self.window
    }

    /// Blocks until the load has ended.
    pub fn join(self) -> Result<Tally> {
        let mut all = Tally::default();
        for thread in self.threads {
            all.merge(thread.join().map_err(|_| anyhow!("a thread of the generator panicked"))??);
        }
        Ok(all)
    }
}

/// Runs the clients and watchers of one thread to the end of the load. Returns their results.
async fn part(
    plan: &Plan,
    index: usize,
    count: usize,
    ready: mpsc::SyncSender<Result<(), String>>,
    go: oneshot::Receiver<Window>,
) -> Result<Tally> {
    let (clients, watchers) = match open(plan, index, count).await {
        Ok(opened) => opened,
        Err(error) => {
            let _ = ready.send(Err(format!("{error:#}")));
            return Err(error);
        }
    };
    let _ = ready.send(Ok(()));
    let window = go.await.context("another thread of the generator failed")?;
    let tally = Rc::new(RefCell::new(Tally::default()));
    let mut tasks = Vec::new();
    for watcher in watchers {
        tasks.push(tokio::task::spawn_local(watch(watcher, plan.task.clone(), window, Rc::clone(&tally))));
    }
    let share = clients.len() as f64 / plan.shape.clients.max(1) as f64;
    let schedule = plan
        .rate
        .filter(|_| !clients.is_empty())
        .map(|rate| Rc::new(Schedule::new(window.load, window.end, rate * share)));
    for client in clients {
        let tally = Rc::clone(&tally);
        tasks.push(match &schedule {
            None => tokio::task::spawn_local(closed_loop(client, window, tally)),
            Some(schedule) => tokio::task::spawn_local(open_loop(client, Rc::clone(schedule), window, tally)),
        });
    }
    if let Some(schedule) = schedule {
        schedule.pace().await?;
    }
    let unfinished = finish(tasks, window).await;
    let mut tally = std::mem::take(&mut *tally.borrow_mut());
    if unfinished > 0 {
        tally.failed(&format!("no answer within {LAST_CALLS:?}"));
        tally.errors += unfinished - 1;
    }
    Ok(tally)
}

/// Opens the connections that belong to this thread, with their clients and watches.
async fn open(plan: &Plan, index: usize, count: usize) -> Result<(Vec<Client>, Vec<Watcher>)> {
    let (mut clients, mut watchers) = (Vec::new(), Vec::new());
    for at in (index..plan.shape.connections.max(1)).step_by(count) {
        let endpoint = &plan.endpoints[at % plan.endpoints.len()];
        let connection = Connection::open(endpoint).await?;
        for seed in (at..plan.shape.clients).step_by(plan.shape.connections) {
            clients.push(Client::new(&connection, endpoint, plan.task.clone(), seed as u64));
        }
        for _ in (at..plan.shape.watchers).step_by(plan.shape.connections) {
            watchers.push(Watcher::open(&connection, endpoint, &plan.task.keys, 0).await?);
        }
    }
    Ok((clients, watchers))
}

async fn closed_loop(mut client: Client, window: Window, tally: Rc<RefCell<Tally>>) {
    let mut begun = pace::now();
    while begun < window.end {
        let answer = client.call().await;
        let ended = pace::now();
        let has_failed = answer.is_err();
        if ended >= window.start && ended < window.end {
            note(&tally, begun, ended, answer);
        }
        begun = ended;
        if has_failed {
            // On a broken connection calls fail at once. Without a pause nothing else would run on this thread.
            pace::pause(AFTER_FAILURE).await;
            begun = pace::now();
        }
    }
}

async fn open_loop(mut client: Client, schedule: Rc<Schedule>, window: Window, tally: Rc<RefCell<Tally>>) {
    while let Some(intended) = schedule.take().await {
        let answer = client.call().await;
        if intended >= window.start {
            note(&tally, intended, pace::now(), answer);
        }
    }
}

fn note(tally: &RefCell<Tally>, begun: Instant, ended: Instant, answer: Result<Done, tonic::Status>) {
    let mut tally = tally.borrow_mut();
    match answer {
        Ok(done) => {
            tally.conflicts += u64::from(done == Done::Conflict);
            let micros = u64::try_from((ended - begun).as_micros()).unwrap_or(u64::MAX);
            tally.calls.saturating_record(micros);
        }
        Err(status) => tally.failed(&status),
    }
}

async fn watch(mut watcher: Watcher, task: Task, window: Window, tally: Rc<RefCell<Tally>>) {
    let counting = async {
        loop {
            let events = match watcher.next().await {
                Ok(events) => events,
                Err(error) => return tally.borrow_mut().failed(&format!("{error:#}")),
            };
            let now = pace::now();
            if now < window.start || now >= window.end {
                continue;
            }
            let mut tally = tally.borrow_mut();
            tally.events += events.count();
            if let Some(age) = events.first().and_then(|kv| task.values.age_us(&kv.value)) {
                tally.deliveries.saturating_record(age);
            }
        }
    };
    // The watcher ends with the window.
    pace::within(window.end.saturating_duration_since(pace::now()), counting).await;
}

/// Waits for the tasks. Returns the number of tasks that panicked or did not end in time.
async fn finish(tasks: Vec<tokio::task::JoinHandle<()>>, window: Window) -> u64 {
    let deadline = window.end + LAST_CALLS;
    let mut unfinished = 0;
    for task in tasks {
        let ended = pace::within(deadline.saturating_duration_since(pace::now()), task).await;
        unfinished += u64::from(!matches!(ended, Some(Ok(()))));
    }
    unfinished
}
