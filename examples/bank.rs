//! A bank: transfers between accounts, each one a transaction over several replicated objects.
//!
//! Run one of three nodes with `cargo run -p naxos --example bank -- 0`, and the others with `1` and `2`. Each of them moves
//! money until it is interrupted. Kill one, and the others go on; no money is lost.

use naxos::Naxos;
use naxos::objects::{CommitError, Counter, Decision, Objects, Register, Transaction, TransactionError};

/// The names of the accounts.
pub(crate) const ACCOUNTS: [&str; 4] = ["ann", "bob", "cem", "dan"];

/// The objects of the bank.
pub(crate) struct Bank {
    objects: Objects,
    accounts: Vec<Counter>,
    /// The last transfer: its name, from, to, the amount, and the balances that it saw.
    pub(crate) last: Register,
}

impl Bank {
    /// Opens the objects, or creates them.
    pub(crate) async fn open(store: &Naxos) -> Result<Self, Box<dyn std::error::Error>> {
        let objects = store.objects().await?;
        let mut accounts = Vec::new();
        for name in ACCOUNTS {
            accounts.push(objects.counter(name).await?);
        }
        let last = objects.register("last transfer").await?;
        Ok(Self { objects, accounts, last })
    }

    fn read_all(&self, transaction: &mut Transaction) -> Result<Vec<i64>, TransactionError> {
        self.accounts.iter().map(|account| transaction.read(account.get())).collect()
    }

    /// The balances of all accounts at one moment.
    pub(crate) async fn balances(&self) -> Result<Vec<i64>, Box<dyn std::error::Error>> {
        loop {
            let mut transaction = self.objects.begin().await?;
            let balances = self.read_all(&mut transaction)?;
            // If a transfer came between two of the reads, they do not belong together.
            if let Decision::Committed(_) = transaction.commit().await? {
                return Ok(balances);
            }
        }
    }

    /// Moves money. If the outer result is an error, nothing was moved. An error in the inner result says whether
    /// nothing was moved, or whether that is unknown.
    pub(crate) async fn transfer(
        &self,
        name: &str,
        from: usize,
        to: usize,
        amount: i64,
    ) -> Result<Result<Decision, CommitError>, Box<dyn std::error::Error>> {
        let mut transaction = self.objects.begin().await?;
        let balances = self.read_all(&mut transaction)?;
        transaction.write(self.accounts[from].add(-amount))?;
        transaction.write(self.accounts[to].add(amount))?;
        transaction.write(self.last.set(format!("{name} {from} {to} {amount} {balances:?}")))?;
        Ok(transaction.commit().await)
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let own = std::env::args().nth(1).unwrap_or_default().parse()?;
    let peers = [1, 2, 3].map(|port| format!("http://127.0.0.1:1248{port}"));
    let store = Naxos::open(format!("./bank-{own}")).peers(own, peers).await?;
    let bank = Bank::open(&store).await?;
    for n in 0.. {
        let name = format!("{own}.{n}");
        tokio::select! {
            moved = bank.transfer(&name, n % 4, (n + own + 1) % 4, 10) => match moved {
                Ok(decided) => println!("{name}: {decided:?}"),
                // For example, there is no leader for a moment, because one of the nodes was killed.
                Err(error) => println!("{name} was not begun: {error}"),
            },
            _ = tokio::signal::ctrl_c() => break,
        }
    }
    println!("{:?}", bank.balances().await?);
    store.stop().await;
    Ok(())
}
