//! `etcdserverpb.KV`.

use std::sync::Arc;

use naxos_engines::StoreReader;
use naxos_proto::etcd::server::etcdserverpb as pb;
use naxos_proto::etcd::twins::{DeleteRangeResponse, PutResponse, RangeResponse};
use naxos_proto::etcd::txn_request::TxnRequest;
use prost::Message;
use tonic::{Request, Response, Status, async_trait};

use super::Desk;
use crate::metrics::Method;
use crate::port::{in_pieces, too_large_to_send};
use crate::state::kv::collect::Collecting;
use crate::state::kv::fetched_rows::Fetched;
use crate::state::kv::txn_reads::{execute_reads, execute_reads_beside};
use crate::state::kv::validate;
use crate::state::{Answer, Command, EtcdError};

/// The service on one RPC runtime.
pub(crate) struct KvService(pub(crate) Desk);

impl KvService {
    async fn do_range(&self, r: pb::RangeRequest) -> Result<RangeResponse, Status> {
        validate::range(&r)?;
        let backend = &self.0.backend;
        if !r.serializable {
            backend.refuse_if_learner()?;
            self.0.linearize().await?;
        }
        backend.metrics.mvcc.range.inc();
        let mut collecting = Collecting::begin(&backend.store.read(), &r)?;
        while !collecting.is_done() {
            // Let other tasks of this runtime run between two steps.
            tokio::task::yield_now().await;
            collecting.step();
        }
        let found = collecting.finish();
        if let Some((bytes, mut rest)) = found.too_large() {
            backend.complete(&mut rest.header);
            return Err(too_large_to_send(bytes + rest.encoded_len()));
        }
        let mut answer = if found.is_work(&r) {
            let store = Arc::clone(&backend.store);
            let read = move |reader: &StoreReader| found.finish_beside(&store, &r, reader);
            backend.cold.run(read).await.map_err(|_| EtcdError::Stopped)??
        } else {
            found.finish(&r, &backend.reader).expect("memory has all of it")
        };
        backend.complete(&mut answer.header);
        Ok(answer)
    }

    /// Reads a range, for a caller within the process. A long answer is not cut into pieces. As for other clients, an
    /// answer that is larger than the largest message is refused.
    pub(crate) async fn whole_range(&self, r: pb::RangeRequest) -> Result<RangeResponse, Status> {
        self.0.unary(Method::Range, self.do_range(r)).await.map(Response::into_inner)
    }

    async fn do_put(&self, r: pb::PutRequest) -> Result<PutResponse, Status> {
        validate::put(&r)?;
        let backend = &self.0.backend;
        let bytes = r.encoded_len();
        backend.check_size(bytes)?;
        backend.check_quota(&self.0.pending, bytes).await?;
        backend.metrics.mvcc.put.inc();
        match backend.propose(&self.0.pending, Command::Put(r)).await? {
            (Answer::Put(mut answer), _) => {
                backend.complete(&mut answer.header);
                Ok(answer)
            }
            other => Err(unexpected(&other.0)),
        }
    }

    async fn do_delete(&self, r: pb::DeleteRangeRequest) -> Result<DeleteRangeResponse, Status> {
        validate::delete_range(&r)?;
        let backend = &self.0.backend;
        backend.check_size(r.encoded_len())?;
        backend.metrics.mvcc.delete.inc();
        match backend.propose(&self.0.pending, Command::DeleteRange(r)).await? {
            (Answer::DeleteRange(mut answer), _) => {
                backend.complete(&mut answer.header);
                Ok(answer)
            }
            other => Err(unexpected(&other.0)),
        }
    }

    async fn do_txn(&self, r: TxnRequest) -> Result<pb::TxnResponse, Status> {
        validate::txn(&r, self.0.backend.config.limits.max_txn_ops)?;
        let backend = &self.0.backend;
        backend.metrics.mvcc.txn.inc();
        let mut answer = if validate::reads_only(&r) {
            self.read_txn(r).await?
        } else {
            let bytes = r.encoded_len();
            backend.check_size(bytes)?;
            if validate::puts_something(&r) {
                backend.check_quota(&self.0.pending, bytes).await?;
            }
            match backend.propose(&self.0.pending, Command::Txn(r)).await? {
                (Answer::Txn(answer), _) => answer,
                other => return Err(unexpected(&other.0)),
            }
        };
        backend.complete(&mut answer.header);
        Ok(answer)
    }

    async fn read_txn(&self, r: TxnRequest) -> Result<pb::TxnResponse, Status> {
        let backend = &self.0.backend;
        if !validate::is_serializable(&r) {
            self.0.linearize().await?;
        }
        let from_memory = execute_reads(&backend.store.read(), &r, &Fetched::default());
        match from_memory {
            Ok(answer) => Ok(answer),
            Err(Some(refused)) => Err(refused.into()),
            Err(None) => {
                let store = Arc::clone(&backend.store);
                let read = move |reader: &StoreReader| execute_reads_beside(&store, &r, reader);
                Ok(backend.cold.run(read).await.map_err(|_| EtcdError::Stopped)??)
            }
        }
    }

    async fn do_compact(&self, r: pb::CompactionRequest) -> Result<pb::CompactionResponse, Status> {
        let backend = &self.0.backend;
        let (revision, physical) = (r.revision, r.physical);
        let (_, now) = backend.propose(&self.0.pending, Command::Compact(r)).await?;
        if physical {
            backend.janitor.wait_for(revision).await;
        }
        Ok(pb::CompactionResponse { header: Some(backend.header(now)) })
    }
}

fn unexpected(answer: &Answer) -> Status {
    Status::internal(format!("apply answered another request: {answer:?}"))
}

#[async_trait]
impl pb::kv_server::Kv for KvService {
    async fn range(&self, r: Request<pb::RangeRequest>) -> Result<Response<RangeResponse>, Status> {
        self.0.unary(Method::Range, self.do_range(r.into_inner())).await.map(in_pieces)
    }

    async fn put(&self, r: Request<pb::PutRequest>) -> Result<Response<PutResponse>, Status> {
        self.0.unary(Method::Put, self.do_put(r.into_inner())).await
    }

    async fn delete_range(&self, r: Request<pb::DeleteRangeRequest>) -> Result<Response<DeleteRangeResponse>, Status> {
        self.0.unary(Method::DeleteRange, self.do_delete(r.into_inner())).await
    }

    async fn txn(&self, r: Request<TxnRequest>) -> Result<Response<pb::TxnResponse>, Status> {
        self.0.unary(Method::Txn, self.do_txn(r.into_inner())).await
    }

    async fn compact(&self, r: Request<pb::CompactionRequest>) -> Result<Response<pb::CompactionResponse>, Status> {
        self.0.unary(Method::Compact, self.do_compact(r.into_inner())).await
    }
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;
    use crate::Naxos;
    use crate::state::index::key_entry::{Live, Value};
    use crate::state::index::revision_key::RevisionKey;

    #[tokio::test]
    async fn a_list_that_no_message_can_carry_is_refused_before_its_values_are_read() {
        let store = Naxos::memory().await.unwrap();
        let desk = store.desk().await.unwrap();
        {
            // The rows do not exist, so an attempt to read them would panic.
            let mut kept = desk.backend.store.write();
            for n in 0..3 {
                let at = RevisionKey { main: 2, sub: n };
                let live = Live { at, create: 2, version: 1, lease: 0, value: Value::Row(1 << 30) };
                kept.put(&n.to_be_bytes(), |_| Ok::<_, ()>(live)).unwrap();
            }
            kept.revision = 2;
        }
        let all = pb::RangeRequest { key: vec![0].into(), range_end: vec![0].into(), ..Default::default() };
        let refused = KvService(desk).whole_range(all).await.unwrap_err();
        assert_eq!(refused.code(), Code::ResourceExhausted);
        let text = "grpc: trying to send message larger than max (3221225";
        assert!(refused.message().starts_with(text), "{}", refused.message());
        assert!(refused.message().ends_with(" vs. 2147483647)"), "{}", refused.message());
        store.stop().await;
    }
}
