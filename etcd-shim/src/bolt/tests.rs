//! What the writer makes is what the reader finds, and no damage makes the reader panic.

use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::*;

use super::layout::{ELEMENT_BYTES, HEADER_BYTES, LEAF, PAGE_BYTES};
use super::meta::Meta;
use super::{BoltError, BoltFile, BoltWriter, META_BYTES};

type Content = BTreeMap<&'static str, BTreeMap<Vec<u8>, Vec<u8>>>;

fn written(content: &Content) -> Vec<u8> {
    let (mut writer, mut pages) = (BoltWriter::new(), Vec::new());
    for (name, items) in content {
        writer.begin_bucket(name);
        for (key, value) in items {
            writer.put(key.clone().into(), value.clone().into()).unwrap();
            pages.extend(writer.take_pages());
        }
    }
    let mut file = writer.finish().to_vec();
    assert_eq!(file.len(), META_BYTES);
    file.extend(pages);
    file.extend(writer.take_pages());
    assert_eq!(file.len() % PAGE_BYTES, 0, "a file ends where a page ends");
    file
}

fn read(file: &[u8], names: impl IntoIterator<Item = &'static str>) -> Result<Content, BoltError> {
    let file = BoltFile::open(file)?;
    let bucket = |name: &'static str| {
        let items = file.bucket(name)?.items()?.map(|item| item.map(|item| (item.key.to_vec(), item.value.to_vec())));
        Ok((name, items.collect::<Result<_, BoltError>>()?))
    };
    names.into_iter().map(bucket).collect()
}

fn numbered(count: u64, value: impl Fn(u64) -> Vec<u8>) -> BTreeMap<Vec<u8>, Vec<u8>> {
    (0..count).map(|n| (n.to_be_bytes().to_vec(), value(n))).collect()
}

#[test]
fn empty_buckets_large_values_and_trees_of_several_levels_are_read_as_they_were_written() {
    for count in [0, 1, 2, 160, 170, 171, 172, 340, 341, 50_000] {
        let large = numbered(3, |n| vec![n as u8; 10_000 * n as usize]);
        let many = numbered(count, |n| n.to_le_bytes().to_vec());
        let content = Content::from([("empty", BTreeMap::new()), ("key", many), ("large", large)]);
        let file = written(&content);
        assert_eq!(read(&file, content.keys().copied()).unwrap(), content, "{count} keys");
    }
}

#[test]
fn no_branch_has_a_single_page_below_it() {
    // With keys of 1,000 bytes a full branch has only a few pages below it. So, over all counts, each possible number
    // of pages is left for the last branch of a level, a single page too.
    for count in 1..90 {
        let items = (0..count).map(|n: u32| ([&n.to_be_bytes()[..], &[0; 996]].concat(), vec![0; 3_000])).collect();
        let content = Content::from([("key", items)]);
        let file = written(&content);
        assert_eq!(read(&file, ["key"]).unwrap(), content);
        let pages = file.chunks(PAGE_BYTES).skip(2);
        let branches = pages.filter(|page| page[8..10] == [1, 0] && page[..8] != [0; 8]);
        assert!(branches.into_iter().all(|page| page[10..12] != [1, 0]), "{count} keys");
    }
}

#[test]
fn keys_out_of_order_are_refused() {
    let mut writer = BoltWriter::new();
    writer.begin_bucket("key");
    writer.put(Bytes::from_static(b"b"), Bytes::new()).unwrap();
    let refused = writer.put(Bytes::from_static(b"b"), Bytes::new());
    assert_eq!(refused, Err(BoltError::Unordered("key".to_owned())));
}

#[test]
fn a_bucket_that_lies_inline_is_read() {
    let content = Content::from([("small", numbered(2, |n| vec![7; n as usize]))]);
    let file = written(&content);
    let meta = Meta::newest(&file).unwrap();
    // The leaf with the name of the bucket is the root. The bucket's own page is copied into a value there.
    let inline = file[META_BYTES..][..HEADER_BYTES + 2 * ELEMENT_BYTES + 17].to_vec();
    let mut value = vec![0; 16];
    value.extend(&inline);
    let mut root = Vec::new();
    root.extend(meta.root.to_le_bytes());
    root.extend(LEAF.to_le_bytes());
    root.extend(1_u16.to_le_bytes());
    root.extend(0_u32.to_le_bytes());
    for number in [1, 16, 5, u32::try_from(value.len()).unwrap()] {
        root.extend(number.to_le_bytes());
    }
    root.extend(b"small");
    root.extend(value);
    root.resize(PAGE_BYTES, 0);
    let at = usize::try_from(meta.root).unwrap() * PAGE_BYTES;
    let mut changed = file.clone();
    changed[at..at + PAGE_BYTES].copy_from_slice(&root);
    assert_eq!(read(&changed, ["small"]).unwrap(), content);
}

#[test]
fn the_meta_page_that_is_whole_and_newest_counts() {
    let content = Content::from([("key", numbered(500, |n| vec![1; n as usize]))]);
    let file = written(&content);
    for damaged in [0, 1] {
        let mut file = file.clone();
        file[damaged * PAGE_BYTES + HEADER_BYTES + 20] ^= 1;
        assert_eq!(read(&file, ["key"]).unwrap(), content, "meta page {damaged} is damaged");
        file[(1 - damaged) * PAGE_BYTES + HEADER_BYTES + 20] ^= 1;
        assert_eq!(read(&file, ["key"]), Err(BoltError::NoMeta));
    }
    let cut = &file[..file.len() - PAGE_BYTES];
    assert!(matches!(read(cut, ["key"]), Err(BoltError::Truncated { .. })));
    assert_eq!(read(&file, ["members"]), Err(BoltError::NoBucket("members".to_owned())));
    assert_eq!(read(b"no file of bbolt", ["key"]), Err(BoltError::NoMeta));
}

#[test]
fn a_tree_that_leads_in_a_circle_is_refused() {
    let file = written(&Content::from([("key", numbered(2_000, |_| vec![0; 50]))]));
    let branch = file.chunks(PAGE_BYTES).position(|page| page[8..10] == [1, 0]).unwrap();
    let mut circle = file.clone();
    let at = branch * PAGE_BYTES + HEADER_BYTES + 8;
    circle[at..at + 8].copy_from_slice(&(branch as u64).to_le_bytes());
    assert!(matches!(read(&circle, ["key"]), Err(BoltError::Damaged { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_written_is_read(
        key in prop::collection::btree_map(
            prop::collection::vec(any::<u8>(), 0..600), prop::collection::vec(any::<u8>(), 0..3_000), 0..200),
        lease in prop::collection::btree_map(
            prop::collection::vec(any::<u8>(), 1..9), prop::collection::vec(any::<u8>(), 0..9), 0..600),
    ) {
        let content = Content::from([("key", key), ("lease", lease)]);
        prop_assert_eq!(read(&written(&content), content.keys().copied()).unwrap(), content);
    }

    #[test]
    fn damage_never_panics(at in 0_usize..60_000, byte in any::<u8>(), cut in 0_usize..60_000) {
        let content = Content::from([("key", numbered(600, |n| vec![1; n as usize % 90]))]);
        let mut file = written(&content);
        let len = file.len();
        file[at % len] = byte;
        let _ = read(&file, ["key"]);
        let _ = read(&file[..cut % len], ["key"]);
        // Damage that no checksum covers.
        let random: Vec<u8> = file.iter().enumerate().map(|(n, b)| if n > META_BYTES && n % 97 == at % 97 { byte } else { *b }).collect();
        let _ = read(&random, ["key"]);
    }
}
