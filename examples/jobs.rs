//! A queue of jobs. In one transaction a worker takes a job and notes that the job is running. So no job is lost or run
//! twice.
//!
//! Run it with `cargo run -p naxos --example jobs -- ./jobs`.

use naxos::Naxos;
use naxos::objects::Decision;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| "./jobs".to_owned());
    let store = Naxos::open(folder).await?;
    let objects = store.objects().await?;
    let (jobs, running, done) =
        (objects.queue("jobs").await?, objects.set("running").await?, objects.counter("done").await?);
    for n in 0..10 {
        jobs.push(format!("job {n}")).commit().await?;
    }
    let worker = async || -> Result<u32, Box<dyn std::error::Error>> {
        let mut mine = 0;
        loop {
            let mut transaction = objects.begin().await?;
            let Some(job) = transaction.run(jobs.pop())? else { return Ok(mine) };
            transaction.write(running.add(job.clone()))?;
            if let Decision::Aborted(why) = transaction.commit().await? {
                println!("another worker was faster: {why}");
                continue;
            }
            // Here the work is done. If the program ended now, the job would still be in `running`.
            let mut transaction = objects.begin().await?;
            transaction.write(running.remove(job))?;
            transaction.write(done.add(1))?;
            if let Decision::Aborted(why) = transaction.commit().await? {
                return Err(format!("a transaction that only writes was aborted: {why}").into());
            }
            mine += 1;
        }
    };
    let (one, two) = tokio::join!(worker(), worker());
    println!("the workers did {} and {} jobs, {} in all", one?, two?, done.get().linearizable().await?);
    store.stop().await;
    Ok(())
}
