//! One of the two servers that get the same requests.

use std::time::Duration;

use anyhow::Context;
use naxos_proto::etcd::client::etcdserverpb as pb;
use pb::cluster_client::ClusterClient;
use pb::kv_client::KvClient;
use pb::lease_client::LeaseClient;
use pb::maintenance_client::MaintenanceClient;
use pb::watch_client::WatchClient;
use tonic::Status;
use tonic::transport::{Channel, Endpoint};

use super::answer::{
    Answer, plain_alarms, plain_header, plain_leases, plain_members, plain_range, plain_status, plain_time_to_live,
    plain_txn,
};
use super::request::Request;
use crate::pace;

/// A server that takes longer to answer counts as unreachable.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// Answers may hold many large values.
const ANSWER_BYTES_MAX: usize = 256 << 20;

/// The program that a compared server runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerKind {
    Etcd,
    Naxos,
}

/// A connection to one server.
#[derive(Debug, Clone)]
pub struct ComparedServer {
    name: &'static str,
    kind: ServerKind,
    kv: KvClient<Channel>,
    lease: LeaseClient<Channel>,
    cluster: ClusterClient<Channel>,
    maintenance: MaintenanceClient<Channel>,
    watch: WatchClient<Channel>,
    member_id: u64,
}

impl ComparedServer {
    /// Connects to `url`, and learns the member's id. `name` is the server's name in messages.
    ///
    /// # Errors
    /// If no server answers at `url`.
    pub async fn connect(name: &'static str, kind: ServerKind, url: &str) -> anyhow::Result<Self> {
        let channel = Endpoint::from_shared(url.to_owned())?.connect().await.context(name)?;
        let mut maintenance = MaintenanceClient::new(channel.clone());
        let status = maintenance.status(pb::StatusRequest {}).await?.into_inner();
        let member_id = status.header.context("the status has no header")?.member_id;
        Ok(ComparedServer {
            name,
            kind,
            kv: KvClient::new(channel.clone()).max_decoding_message_size(ANSWER_BYTES_MAX),
            lease: LeaseClient::new(channel.clone()),
            cluster: ClusterClient::new(channel.clone()),
            maintenance,
            watch: WatchClient::new(channel).max_decoding_message_size(ANSWER_BYTES_MAX),
            member_id,
        })
    }

    /// The name of the server in messages.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The program that the server runs.
    pub fn kind(&self) -> ServerKind {
        self.kind
    }

    /// A client for watch streams.
    pub fn watch_client(&self) -> WatchClient<Channel> {
        self.watch.clone()
    }

    /// Sends `request` and reduces the answer to the part that must be equal.
    pub async fn answer(&mut self, request: &Request) -> Answer {
        let Some(answer) = pace::within(ANSWER_LIMIT, self.ask(request)).await else {
            return Answer::Refused {
                code: tonic::Code::Unavailable,
                message: format!("no answer in {ANSWER_LIMIT:?}"),
            };
        };
        answer.unwrap_or_else(Answer::from)
    }

    async fn ask(&mut self, request: &Request) -> Result<Answer, Status> {
        Ok(match request {
            Request::Range(asked) => {
                let mut answer = self.kv.range(asked.clone()).await?.into_inner();
                plain_range(asked, &mut answer);
                Answer::Range(answer)
            }
            Request::Put(asked) => {
                let mut answer = self.kv.put(asked.clone()).await?.into_inner();
                plain_header(&mut answer.header);
                Answer::Put(answer)
            }
            Request::DeleteRange(asked) => {
                let mut answer = self.kv.delete_range(asked.clone()).await?.into_inner();
                plain_header(&mut answer.header);
                Answer::DeleteRange(answer)
            }
            Request::Txn(asked) => {
                let mut answer = self.kv.txn(asked.clone()).await?.into_inner();
                plain_txn(asked, &mut answer);
                Answer::Txn(answer)
            }
            Request::Compact(asked) => {
                let mut answer = self.kv.compact(*asked).await?.into_inner();
                plain_header(&mut answer.header);
                Answer::Compact(answer)
            }
            Request::LeaseGrant(_)
            | Request::LeaseGrantBriefly(_)
            | Request::LeaseRevoke(_)
            | Request::LeaseTimeToLive(_)
            | Request::LeaseLeases
            | Request::LeaseKeepAlive(_) => self.ask_lease(request).await?,
            Request::HashKv(_) | Request::Status | Request::MemberList | Request::Alarm(..) => {
                self.ask_maintenance(request).await?
            }
        })
    }

    async fn ask_lease(&mut self, request: &Request) -> Result<Answer, Status> {
        Ok(match request {
            Request::LeaseGrant(asked) => {
                let mut answer = self.lease.lease_grant(*asked).await?.into_inner();
                plain_header(&mut answer.header);
                Answer::LeaseGrant(answer)
            }
            Request::LeaseGrantBriefly(asked) => {
                let mut answer = self.lease.lease_grant(*asked).await?.into_inner();
                // The lease may have expired already, so the answer to the revoke is not compared.
                let _ = self.lease.lease_revoke(pb::LeaseRevokeRequest { id: answer.id }).await;
                plain_header(&mut answer.header);
                answer.id = answer.id.signum();
                Answer::LeaseGrant(answer)
            }
            Request::LeaseRevoke(asked) => {
                let mut answer = self.lease.lease_revoke(*asked).await?.into_inner();
                plain_header(&mut answer.header);
                Answer::LeaseRevoke(answer)
            }
            Request::LeaseTimeToLive(asked) => {
                let mut answer = self.lease.lease_time_to_live(*asked).await?.into_inner();
                plain_time_to_live(&mut answer);
                Answer::LeaseTimeToLive(answer)
            }
            Request::LeaseKeepAlive(asked) => {
                let asked = *asked;
                let requests = futures::stream::iter([asked]);
                let mut answers = self.lease.lease_keep_alive(requests).await?.into_inner();
                let answer = answers.message().await?;
                let mut answer = answer.ok_or_else(|| Status::unknown("the stream ended without an answer"))?;
                plain_header(&mut answer.header);
                Answer::LeaseKeepAlive(answer)
            }
            _ => {
                let mut answer = self.lease.lease_leases(pb::LeaseLeasesRequest {}).await?.into_inner();
                plain_leases(&mut answer);
                Answer::LeaseLeases(answer)
            }
        })
    }

    async fn ask_maintenance(&mut self, request: &Request) -> Result<Answer, Status> {
        Ok(match request {
            Request::HashKv(asked) => {
                let mut answer = self.maintenance.hash_kv(*asked).await?.into_inner();
                plain_header(&mut answer.header);
                Answer::HashKv(answer)
            }
            Request::MemberList => {
                let asked = pb::MemberListRequest { linearizable: true };
                let mut answer = self.cluster.member_list(asked).await?.into_inner();
                plain_members(&mut answer);
                Answer::MemberList(answer)
            }
            Request::Alarm(action, alarm) => {
                let asked =
                    pb::AlarmRequest { action: *action as i32, member_id: self.member_id, alarm: *alarm as i32 };
                let mut answer = self.maintenance.alarm(asked).await?.into_inner();
                plain_alarms(&mut answer);
                Answer::Alarm(answer)
            }
            _ => {
                let mut answer = self.maintenance.status(pb::StatusRequest {}).await?.into_inner();
                plain_status(&mut answer);
                Answer::Status(answer)
            }
        })
    }
}
