//! Transfers between accounts, and the check that their result is as if they had run one after the other.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures::FutureExt;
use naxos_engines::ProposeError;
use naxos_engines::objects::{CommitError, Decision, Map, Objects, Transaction, TransactionError, Version, Write};
use naxos_proto::splitmix::SplitMix64;

pub const ACCOUNTS: usize = 5;
const START: i64 = 1_000;
const KEY: &str = "balance";

/// What an account has: the balance, and the transaction that wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Balance {
    amount: i64,
    by: u64,
}

impl Balance {
    fn encode(self) -> Vec<u8> {
        [self.amount.to_le_bytes(), self.by.to_le_bytes()].concat()
    }

    fn decode(value: &Bytes) -> Self {
        let (amount, by) = value.split_at(8);
        Self { amount: i64::from_le_bytes(amount.try_into().unwrap()), by: u64::from_le_bytes(by.try_into().unwrap()) }
    }
}

/// What a transaction read and wrote: accounts with their balances, and the versions that it saw.
pub struct Done {
    /// The number of the transaction.
    id: u64,
    reads: Vec<(usize, Balance, Version)>,
    writes: Vec<(usize, Balance)>,
}

impl Done {
    pub fn is_transfer(&self) -> bool {
        !self.writes.is_empty()
    }
}

/// What the caller of a transaction was told about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    Committed(Version),
    Aborted,
    Unknown,
}

/// Opens the accounts. `None` if the replica dies meanwhile.
pub async fn accounts(objects: &Objects) -> Option<Vec<Map>> {
    let mut opened = Vec::new();
    for n in 0..ACCOUNTS {
        opened.push(objects.map(&format!("account-{n}")).await.ok()?);
    }
    // The replica may not have applied the first balances yet.
    opened[0].get(KEY).linearizable().await.ok()?;
    Some(opened)
}

/// Gives every account its first balance, as transaction 0. Nothing else is written before.
pub async fn found(objects: &Objects) {
    let mut transaction = objects.begin().await.unwrap();
    for n in 0..ACCOUNTS {
        let account = objects.map(&format!("account-{n}")).await.unwrap();
        transaction.write(account.put(KEY, Balance { amount: START, by: 0 }.encode())).unwrap();
    }
    assert!(matches!(transaction.commit().await, Ok(Decision::Committed(_))));
}

fn read(
    transaction: &mut Transaction,
    accounts: &[Map],
    account: usize,
) -> Result<(usize, Balance, Version), TransactionError> {
    let found = transaction.read(accounts[account].get(KEY))?.expect("every account has a balance");
    Ok((account, Balance::decode(&found.value), found.version))
}

/// A transfer between two accounts, or a look at all of them. `None` if it came to nothing, because the replica died.
pub async fn round(objects: &Objects, accounts: &[Map], random: &mut SplitMix64, id: u64) -> Option<(Done, Told)> {
    let mut transaction = objects.begin().await.ok()?;
    let mut draw = |bound: usize| usize::try_from(random.below(bound as u64)).unwrap();
    let mut done = Done { id, reads: Vec::new(), writes: Vec::new() };
    if draw(4) == 0 {
        for account in 0..ACCOUNTS {
            done.reads.push(read(&mut transaction, accounts, account).ok()?);
            // Others write between the reads.
            std::thread::yield_now();
        }
    } else {
        let from = draw(ACCOUNTS);
        let to = (from + 1 + draw(ACCOUNTS - 1)) % ACCOUNTS;
        let amount = i64::try_from(draw(50)).unwrap();
        for (account, by) in [(from, -amount), (to, amount)] {
            let seen = read(&mut transaction, accounts, account).ok()?;
            done.reads.push(seen);
            let balance = Balance { amount: seen.1.amount + by, by: id };
            transaction.write(accounts[account].put(KEY, balance.encode())).ok()?;
            done.writes.push((account, balance));
            std::thread::yield_now();
        }
    }
    let told = match transaction.commit().await {
        Ok(Decision::Committed(version)) => Told::Committed(version),
        Ok(Decision::Aborted(_)) => Told::Aborted,
        Err(CommitError::Propose(ProposeError::Unknown(_))) => Told::Unknown,
        Err(_) => return None,
    };
    Some((done, told))
}

/// All writes that were committed, from the accounts' histories.
async fn committed(accounts: &[Map]) -> BTreeMap<Version, Vec<(usize, Balance)>> {
    let mut found: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (account, map) in accounts.iter().enumerate() {
        let mut changes = map.object().changes_after(Version::ZERO);
        while let Some(change) = changes.next().now_or_never() {
            let change = change.unwrap();
            let Write::Put(_, value) = change.write else { panic!("{change:?}") };
            found.entry(change.version).or_default().push((account, Balance::decode(&value)));
        }
    }
    found
}

/// Checks that the history is that of the transactions, one after the other, and that callers were told the truth.
/// Returns how many transfers of unknown outcome were done.
pub async fn check(objects: &Objects, all: Vec<(Done, Told)>) -> usize {
    let accounts = accounts(objects).await.unwrap();
    let history = committed(&accounts).await;
    let by_id: BTreeMap<u64, Version> = history.iter().map(|(version, writes)| (writes[0].1.by, *version)).collect();
    assert_eq!(by_id.len(), history.len(), "each transaction was done once");
    let mut late = 0;
    let mut order = Vec::new();
    for (mut done, told) in all {
        let version = by_id.get(&done.id).copied();
        if !done.is_transfer() {
            if let Told::Committed(version) = told {
                order.push((version, true, done));
            }
            continue;
        }
        match told {
            Told::Committed(told) => assert_eq!(version, Some(told), "{} was committed", done.id),
            Told::Aborted => assert_eq!(version, None, "{} was aborted", done.id),
            Told::Unknown => late += usize::from(version.is_some()),
        }
        if let Some(version) = version {
            done.writes.sort_by_key(|(account, _)| *account);
            assert_eq!(history[&version], done.writes, "all of {} happened", done.id);
            order.push((version, false, done));
        }
    }
    // A look sees the transfers up to its version.
    order.sort_by_key(|(version, is_look, _)| (*version, *is_look));
    let transfers = order.iter().filter(|(_, is_look, _)| !is_look).count();
    assert_eq!(transfers + 1, history.len(), "nothing but the first balances comes from elsewhere");
    let (first, balances) = history.first_key_value().unwrap();
    let mut model: BTreeMap<usize, (Balance, Version)> =
        balances.iter().map(|(account, balance)| (*account, (*balance, *first))).collect();
    for (version, _, done) in &order {
        for (account, balance, seen) in &done.reads {
            assert_eq!((*balance, *seen), model[account], "account {account} at {version}");
        }
        for (account, balance) in &done.writes {
            model.insert(*account, (*balance, *version));
        }
        assert_eq!(model.values().map(|(balance, _)| balance.amount).sum::<i64>(), START * ACCOUNTS as i64);
    }
    late
}
