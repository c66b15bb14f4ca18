//! What the commands about members and their alarms write.

use bytes::Bytes;
use naxos_proto::etcd::server::etcdserverpb as pb;
use naxos_proto::etcd::server::etcdserverpb::alarm_request::AlarmAction;
use naxos_proto::ids::{MemberId, StorageId};
use prost::Message;

use super::writer::{Note, Writer};
use crate::state::answer::Answer;
use crate::state::error::EtcdError;
use crate::state::rows;
use crate::state::seats::Seats;

impl Writer<'_, '_> {
    /// Stores the member list of a new cluster. If there is a list already, changes nothing.
    pub(super) fn begin_members(&mut self, members: Vec<pb::Member>) -> Answer {
        if self.store.members.is_empty() {
            members.into_iter().for_each(|member| self.store_member(member));
        }
        Answer::Done
    }

    pub(super) fn store_member(&mut self, member: pb::Member) {
        self.rows.put(rows::member(self.store.id, member.id), member.encode_to_vec().into());
        self.store.members.insert(member.id, member);
        self.notes.push(Note::Membership);
    }

    /// Whether a member other than `id` has one of these peer URLs.
    fn is_taken(&self, id: u64, urls: &[String]) -> bool {
        let mut others = self.store.members.values().filter(|member| member.id != id);
        others.any(|member| member.peer_ur_ls.iter().any(|url| urls.contains(url)))
    }

    /// Adds a member, which has no seat yet.
    pub(super) fn add_member(&mut self, member: pb::Member, learners_max: u32) -> Result<Answer, EtcdError> {
        let store = &self.store;
        if store.members.contains_key(&member.id) || store.removed.contains(&member.id) {
            return Err(EtcdError::MemberExists);
        }
        if self.is_taken(member.id, &member.peer_ur_ls) {
            return Err(EtcdError::PeerUrlExists);
        }
        let learners = store.members.values().filter(|member| member.is_learner).count();
        if member.is_learner && learners >= usize::try_from(learners_max).unwrap_or(usize::MAX) {
            return Err(EtcdError::TooManyLearners);
        }
        self.store_member(member);
        Ok(Answer::Done)
    }

    /// Removes a member for good, and takes its seat from its data directory.
    pub(super) fn remove_member(&mut self, member: MemberId, from: Option<StorageId>) -> Result<Answer, EtcdError> {
        let store = self.store.id;
        if !self.store.members.contains_key(&member.0) {
            return Err(EtcdError::MemberNotFound);
        }
        if !self.store.seats.end(member, from) {
            return Err(EtcdError::NotEnoughStarted);
        }
        if let Some(from) = from {
            self.rows.put(rows::seat(store, from), Seats::row(member, false));
        }
        self.forget_member(member.0);
        Ok(Answer::Done)
    }

    /// Takes a member off the list, for good.
    pub(super) fn forget_member(&mut self, id: u64) {
        let store = self.store.id;
        self.rows.delete(rows::member(store, id));
        self.rows.put(rows::removed_member(store, id), Bytes::new());
        self.store.members.remove(&id);
        self.store.removed.insert(id);
        self.forget_announced(id);
        self.notes.push(Note::Membership);
    }

    /// Replaces the peer URLs of a member.
    pub(super) fn update_member(&mut self, r: pb::MemberUpdateRequest) -> Result<Answer, EtcdError> {
        let known = self.store.members.get(&r.id).cloned().ok_or(EtcdError::MemberNotFound)?;
        if self.is_taken(r.id, &r.peer_ur_ls) {
            return Err(EtcdError::PeerUrlExists);
        }
        self.store_member(pb::Member { peer_ur_ls: r.peer_ur_ls, ..known });
        Ok(Answer::Done)
    }

    /// Gives a learner a vote.
    pub(super) fn promote_member(&mut self, id: u64) -> Result<Answer, EtcdError> {
        let known = self.store.members.get(&id).cloned().ok_or(EtcdError::MemberNotFound)?;
        if !known.is_learner {
            return Err(EtcdError::MemberNotLearner);
        }
        self.store_member(pb::Member { is_learner: false, ..known });
        Ok(Answer::Done)
    }

    /// Stores the name and the client URLs of a listed member. While the list is empty, stores the whole member.
    pub(super) fn publish(&mut self, told: pb::Member) -> Result<Answer, EtcdError> {
        let member = match self.store.members.get(&told.id) {
            // The other fields (peer URLs, learner or not) are not taken from this command: only the calls that change
            // the membership set them.
            Some(known) => pb::Member { name: told.name, client_ur_ls: told.client_ur_ls, ..known.clone() },
            None if self.store.members.is_empty() => told,
            // The member was removed while this command was on its way.
            None => return Err(EtcdError::MemberNotFound),
        };
        self.store_member(member);
        Ok(Answer::Done)
    }

    /// Gives the seat of a member to another data directory.
    pub(super) fn take_seat(
        &mut self,
        member: MemberId,
        storage: StorageId,
        from: Option<StorageId>,
    ) -> Result<Answer, EtcdError> {
        if !self.store.members.contains_key(&member.0) {
            return Err(EtcdError::MemberNotFound);
        }
        if !self.store.seats.change(member, storage, from) {
            return Err(EtcdError::NotEnoughStarted);
        }
        let store = self.store.id;
        for (storage, has_seat) in from.map(|from| (from, false)).into_iter().chain([(storage, true)]) {
            self.rows.put(rows::seat(store, storage), Seats::row(member, has_seat));
        }
        self.forget_announced(member.0);
        self.notes.push(Note::Membership);
        Ok(Answer::Done)
    }

    pub(super) fn alarm(&mut self, r: &pb::AlarmRequest) -> Answer {
        let store = self.store.id;
        let (alarm, row) = ((r.member_id, r.alarm), rows::alarm(store, r.member_id, r.alarm));
        let is_meant = if r.action == AlarmAction::Activate as i32 {
            let is_one = r.alarm != pb::AlarmType::None as i32;
            if is_one && self.store.alarms.insert(alarm) {
                self.rows.put(row, Bytes::new());
            }
            is_one
        } else {
            let was_on = r.action == AlarmAction::Deactivate as i32 && self.store.alarms.remove(&alarm);
            if was_on {
                self.rows.delete(row);
            }
            was_on
        };
        let answered = is_meant.then_some(pb::AlarmMember { member_id: r.member_id, alarm: r.alarm });
        Answer::Alarms(answered.into_iter().collect())
    }
}
