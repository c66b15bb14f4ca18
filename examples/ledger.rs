//! A ledger as a log of events. Each account is a stream, and a transfer is one entry in the streams of both accounts. The
//! balance of an account is what its stream adds up to, so nothing else is stored.
//!
//! Run it with `cargo run -p naxos --example ledger -- ./ledger`.

use naxos::log::{AppendError, Log, Refusal, StreamId, StreamReader, Unchanged};
use naxos::{Lsn, Naxos};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Where the money comes from. It may owe any amount.
const BANK: u64 = 0;

/// An account, as far as its stream was read.
struct Account {
    id: u64,
    events: StreamReader,
    balance: i64,
}

impl Account {
    fn open(log: &Log, id: u64) -> Self {
        Self { id, events: log.stream(StreamId(id), log.oldest()), balance: 0 }
    }

    /// Adds up the new events. Returns the position up to which the stream was read.
    async fn read(&mut self) -> Outcome<Lsn> {
        let since = self.events.sync().await?;
        while let Some(event) = self.events.next().await? {
            let text = str::from_utf8(&event.body)?;
            let [from, to, amount] = text.split(' ').collect::<Vec<_>>()[..] else { return Err(text.into()) };
            let amount: i64 = amount.parse()?;
            self.balance += if to.parse() == Ok(self.id) { amount } else { 0 };
            self.balance -= if from.parse() == Ok(self.id) { amount } else { 0 };
        }
        Ok(since)
    }

    /// Sends money to another account, if there is enough. If another process uses the account at the same time, one of the
    /// two transfers is refused by the log, and decided again.
    async fn send(&mut self, log: &Log, to: u64, amount: i64) -> Outcome<bool> {
        loop {
            let unchanged = Unchanged { stream: StreamId(self.id), since: self.read().await? };
            if self.id != BANK && self.balance < amount {
                return Ok(false);
            }
            let event = format!("{} {to} {amount}", self.id);
            match log.append_if(unchanged, &[StreamId(self.id), StreamId(to)], event).await {
                Ok(_) => return Ok(true),
                Err(AppendError::Refused(Refusal::StreamChanged(_))) => continue,
                Err(error) => return Err(error.into()),
            }
        }
    }
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| "./ledger".to_owned());
    let store = Naxos::open(folder).await?;
    let log = store.log().await?;
    Account::open(&log, BANK).send(&log, 1, 100).await?;
    // Two cash desks pay from the same account, and each believes that it is alone.
    let till = async |to: u64| -> Outcome<u32> {
        let (mut account, mut sent) = (Account::open(&log, 1), 0);
        while account.send(&log, to, 30).await? {
            sent += 1;
        }
        Ok(sent)
    };
    let (two, three) = tokio::join!(till(2), till(3));
    println!("{} transfers of 30", two? + three?);
    for id in [BANK, 1, 2, 3] {
        let mut account = Account::open(&log, id);
        account.read().await?;
        println!("account {id}: {}", account.balance);
    }
    store.stop().await;
    Ok(())
}
