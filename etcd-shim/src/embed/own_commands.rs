//! The calls of [`Naxos`] for the program's own state machine.

use bytes::Bytes;

use super::naxos::until_stopped;
use super::{Error, Freshness, Naxos};
use crate::services::Desk;
use crate::services::own::propose_own;
use crate::state::own::OwnMachine;
use crate::state::{Applied, View};

impl Naxos {
    /// Proposes a command of the program's own state machine ([`Opening::applicator`](super::Opening::applicator)), and
    /// waits until it is durable and this node has applied it.
    ///
    /// A command with the outcome [`Error::Unknown`] may have been done. To try it again safely, give it an id, and let the
    /// state machine remember what it answered:
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
    /// use std::time::Duration;
    ///
    /// use naxos::{Applicator, Error, Naxos, Refused, Rows};
    ///
    /// /// A command is the name of a client, a number that this client counts up, and what to add.
    /// struct Total;
    ///
    /// impl Applicator for Total {
    ///     fn apply(&self, rows: &mut Rows<'_>, command: &[u8]) -> Result<Vec<u8>, Refused> {
    ///         let words: Vec<&str> = str::from_utf8(command)?.split(' ').collect();
    ///         let [client, id, more] = words[..] else { return Err(Refused::because("expected CLIENT ID NUMBER")) };
    ///         // A client begins its next command when it knows what became of this one. So its last one is enough.
    ///         let last = rows.get(client).unwrap_or_default();
    ///         if let Some(answer) = last.strip_prefix(format!("{id} ").as_bytes()) {
    ///             return Ok(answer.to_vec()); // an earlier attempt has done it
    ///         }
    ///         let old = rows.get("total").map_or(Ok(0), |bytes| bytes[..].try_into().map(u64::from_le_bytes))?;
    ///         let total = old.checked_add(more.parse()?).ok_or_else(|| Refused::because("the total is too large"))?;
    ///         rows.put("total", total.to_le_bytes());
    ///         rows.put(client, format!("{id} {total}"));
    ///         Ok(total.to_string().into_bytes())
    ///     }
    /// }
    ///
    /// let node = Naxos::memory().applicator(Total).await?;
    /// let command = "client/desk-3 17 5";
    /// let applied = loop {
    ///     match node.propose(command).await {
    ///         Err(Error::NotDone(_) | Error::Unknown(_)) => tokio::time::sleep(Duration::from_millis(100)).await,
    ///         outcome => break outcome?,
    ///     }
    /// };
    /// assert_eq!(applied.answer, "5");
    /// assert_eq!(node.propose(command).await?.answer, "5", "it is not done twice");
    /// # node.stop().await;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the state machine refused it ([`Error::Refused`]), or if it was not done, or may or may not have been done.
    pub async fn propose(&self, command: impl AsRef<[u8]>) -> Result<Applied, Error> {
        let command = Bytes::copy_from_slice(command.as_ref());
        let desk = self.desk().await?;
        own(&desk)?;
        let call = async { propose_own(&desk, command).await?.map_err(|refused| Error::Refused(refused.0)) };
        until_stopped(&desk, Error::Unknown, call).await
    }

    /// Looks at the rows of the program's own state machine. `look` runs on the caller's thread, and may read from the disk.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
    /// use naxos::{Applicator, Freshness, Keys, Naxos, Refused, Rows};
    ///
    /// /// A command is a line of a diary.
    /// struct Diary;
    ///
    /// impl Applicator for Diary {
    ///     fn apply(&self, rows: &mut Rows<'_>, command: &[u8]) -> Result<Vec<u8>, Refused> {
    ///         let (position, index) = rows.at();
    ///         rows.put(format!("line/{:020}.{index:010}", position.0), command);
    ///         Ok(Vec::new())
    ///     }
    /// }
    ///
    /// let node = Naxos::memory().applicator(Diary).await?;
    /// let written = node.propose("it rains").await?.position;
    /// // Whoever knows the position sees the command, on any node.
    /// let lines = node.query(Freshness::After(written), |rows| rows.list(Keys::prefix("line/"), 10)).await?;
    /// assert_eq!(lines[0].1, "it rains");
    /// # node.stop().await;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the node has ended or does not serve again within 10 s, if the store has no state machine of the program's
    /// own, or if the node cannot show in time a state that is as fresh as `freshness` asks for, or serves nothing because
    /// its state differs from that of the other nodes or because a command cannot be applied.
    pub async fn query<T>(&self, freshness: Freshness, look: impl FnOnce(&View<'_>) -> T) -> Result<T, Error> {
        let desk = self.desk().await?;
        let own = own(&desk)?;
        let fresh = async {
            match freshness {
                Freshness::Linearizable => desk.linearize().await.map_err(Error::from),
                Freshness::Local => Ok(()),
                Freshness::After(position) => {
                    let reached = desk.pending.deadlines.within(own.reaches(position)).await;
                    reached
                        .ok_or_else(|| Error::NotDone(format!("this node did not come to position {position} in time")))
                }
            }
        };
        until_stopped(&desk, Error::Ended, fresh).await?;
        // The wait may have shown that the state differs.
        desk.backend.check_state()?;
        let seen = own.look(look);
        // Earlier commands of the entry that cannot be applied may have been seen.
        desk.backend.check_applied()?;
        Ok(seen)
    }
}

/// The program's own state machine on the node.
fn own(desk: &Desk) -> Result<&OwnMachine, Error> {
    desk.backend.own.as_deref().ok_or_else(|| {
        Error::Invalid(
            "this store has no state machine of its own: expected `Naxos::open(..).applicator(..)`".to_owned(),
        )
    })
}
