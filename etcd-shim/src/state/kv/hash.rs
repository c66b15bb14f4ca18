//! HashKV: one number for a store's content at a revision, the same that etcd computes.
//!
//! It is the crc32c over the name of etcd's bucket (`key`) and, for each row up to the revision, the row's key in that
//! bucket and its value. Not all rows at or below the compacted revision count:
//!
//! - Such a row counts only if it is the newest of its key at the revision asked for. If no key exists at that
//!   revision, it counts if it is the newest of its key at the compacted revision.
//! - A deletion at or below the compacted revision never counts.

use naxos_engines::StoreReader;

use super::range_request::revision_to_read;
use crate::state::error::EtcdError;
use crate::state::index::key_value::decode;
use crate::state::rows;
use crate::state::store::SharedStore;

/// How many rows one scan reads.
const ROWS_PER_SCAN: usize = 1_024;

/// The answer of HashKV.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HashKv {
    pub(crate) hash: u32,
    pub(crate) current: i64,
    pub(crate) compacted: i64,
    pub(crate) revision: i64,
}

/// Hashes the store's content at revision `asked` (the newest revision if zero). Reads every row, so it must not run on
/// a thread that serves requests.
pub(crate) fn hash_kv(shared: &SharedStore, reader: &StoreReader, asked: i64) -> Result<HashKv, EtcdError> {
    loop {
        let (id, current, compacted, revision, kept_at) = {
            let store = shared.read();
            let (current, compacted) = (store.revision, store.compacted);
            // A negative revision is before all rows: etcd then hashes no row.
            let revision = if asked < 0 { asked } else { revision_to_read(asked, current, compacted)? };
            // If no key exists at the revision, etcd counts all rows that the compaction has left.
            let kept_at = if store.count_at(b"", None, revision) > 0 { revision } else { compacted };
            (store.id, current, compacted, revision, kept_at)
        };
        let mut hash = crc32c::crc32c(b"key");
        let (mut from, below) = rows::whole(id, rows::KEY_VALUES);
        'scan: loop {
            let found = reader.scan(&from, &below, ROWS_PER_SCAN);
            let Some((last, _)) = found.last() else { break };
            from = last.clone().after();
            for (row, value) in found {
                let (at, deleted) = rows::revision_of(&row);
                if at.main > revision {
                    break 'scan;
                }
                if at.main <= compacted {
                    let key = decode(&value).key;
                    let kept = shared.read().keys.get(&key).is_some_and(|e| e.keeps(at, compacted, kept_at));
                    if deleted || !kept {
                        continue;
                    }
                }
                let mut bucket_key = [b't'; 18];
                bucket_key[..8].copy_from_slice(&at.main.cast_unsigned().to_be_bytes());
                bucket_key[8] = b'_';
                bucket_key[9..17].copy_from_slice(&u64::from(at.sub).to_be_bytes());
                hash = crc32c::crc32c_append(hash, if deleted { &bucket_key } else { &bucket_key[..17] });
                hash = crc32c::crc32c_append(hash, &value);
            }
        }
        // A compaction in the meantime may have dropped rows that should have been counted: then start again.
        if shared.read().compacted == compacted {
            return Ok(HashKv { hash, current, compacted, revision });
        }
    }
}
