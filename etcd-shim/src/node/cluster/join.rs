//! [`take_seat`]: a node with a new data directory gets the seat of its member. [`check_seat`]: a node with an old data
//! directory finds out whether a newer one has the seat now.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use naxos_proto::contracts::{ClusterView, Join, JoinError, Joining};
use naxos_proto::ids::MemberId;
use naxos_proto::peer::RemoteJoining;
use naxos_proto::seams::Seams;

use super::address_book::{AddressBook, MemberAddress};
use crate::node::attempts::Attempts;
use crate::node::start::StartError;

/// The time between two rounds of questions.
const TRY_AGAIN: Duration = Duration::from_millis(500);
/// How long one of the others may take to give a seat. A member that is starting does not answer, perhaps for a long
/// time.
const GIVE_MAX: Duration = Duration::from_secs(1);
/// How long the others may take to say that a data directory has lost its seat.
const CHECK_MAX: Duration = Duration::from_millis(500);

/// The other members, as stubs by which they can be asked for a seat.
pub(super) fn others(seams: &Seams, book: &AddressBook, own: MemberId) -> Vec<RemoteJoining> {
    let joining = |other: Arc<MemberAddress>| RemoteJoining::new(&seams.clock, other.address(), other);
    book.others(own).into_iter().map(joining).collect()
}

/// Asks the other members that are there whether this data directory still has its seat. Returns the newest of their
/// answers, or an error if one of them knows that the directory does not have the seat. If none of them answers, the
/// start goes on: a directory that has lost its seat then counts nowhere.
/// # Cancel safety
/// The call may be dropped.
pub(in crate::node) async fn check_seat(
    seams: &Seams,
    book: &AddressBook,
    join: Join,
) -> Result<Option<ClusterView>, StartError> {
    let others = others(seams, book, join.member);
    let answers = join_all(others.iter().map(|other| async {
        tokio::select! {
            biased;
            answer = other.join(join) => Some(answer),
            () = seams.clock.sleep(CHECK_MAX) => None,
        }
    }));
    let mut views = Vec::new();
    for answer in answers.await {
        match answer {
            Some(Err(JoinError::Refused(why))) => {
                return Err(StartError::Founding(format!(
                    "this data directory does not have the member's seat: {why}"
                )));
            }
            Some(Ok(view)) => views.push(view),
            _ => {}
        }
    }
    Ok(ClusterView::newest(views))
}

/// Asks the other members until one of them has given the seat. Returns the cluster after that.
/// # Cancel safety
/// The call may be dropped and made again. The seat may be given meanwhile.
pub(in crate::node) async fn take_seat(
    seams: &Seams,
    book: &AddressBook,
    join: Join,
) -> Result<ClusterView, StartError> {
    let (mut attempts, others) = (Attempts::new(&*seams.clock), others(seams, book, join.member));
    let storage = format!("{:016x}", join.storage.0);
    tracing::info!(storage, "this data directory is new: asking the other members for the seat of this member");
    loop {
        let mut why = "no other member answers".to_owned();
        for other in &others {
            let answer = tokio::select! {
                biased;
                answer = other.join(join) => answer,
                () = seams.clock.sleep(GIVE_MAX) => Err(JoinError::Unreachable("it takes too long".to_owned())),
            };
            match answer {
                Ok(view) => {
                    tracing::info!(storage, "this data directory has the seat of this member");
                    return Ok(view);
                }
                Err(JoinError::Refused(why)) => {
                    return Err(StartError::Founding(format!(
                        "this data directory cannot have the member's seat: {why}"
                    )));
                }
                Err(JoinError::NotYet(reason)) => why = reason,
                Err(JoinError::Unreachable(_)) => {}
            }
        }
        attempts.pause(TRY_AGAIN, || tracing::info!(why, "waiting for the seat of this member")).await;
    }
}
