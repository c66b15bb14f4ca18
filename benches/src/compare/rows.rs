//! The rows of the comparison, and the limits that Naxos has to meet.

use anyhow::{Result, bail};
use serde::Serialize;

use super::limits::Limits;
use super::through::Through;
use crate::load::work::{Shape, Work};
use crate::load::{WATCHERS, WRITERS};
use crate::servers::Candidate;

/// Number of keys over which the work of a row is spread. The rows that read pages of keys have a number of their own.
const KEYS: u64 = 10_000;

/// Number of clients of the rows that read pages of keys. It is low, because etcd counts all keys of the range for each
/// call.
const PAGERS: usize = 8;

/// The names of the rows in which one follower answers gets.
const GETS_OF_FOLLOWERS: [&str; 4] =
    ["get-64-follower-1", "get-64-follower-2", "get-64-follower-3", "get-64-follower-4"];

/// Writers and watchers of the row with watchers.
const WATCHED: Shape = Shape { clients: WRITERS, connections: 8, watchers: WATCHERS };

/// One kind of work with one number of clients.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Row {
    pub name: &'static str,
    pub work: Work,
    pub shape: Shape,
    /// The members through which the clients go.
    pub through: Through,
    /// Whether the row reads at an old revision, after which keys were created, deleted and overwritten.
    pub old_revision: bool,
    pub limits: Limits,
}

impl Row {
    /// Whether `candidate` can do this work. The floor servers hold no keys to page, and only servers that commit have
    /// events.
    pub(super) fn runs_on(&self, candidate: Candidate) -> bool {
        match self.work {
            Work::Page => candidate.stores(),
            Work::Watch => candidate != Candidate::Nothing,
            Work::Put | Work::Get | Work::Update | Work::List => true,
        }
    }
}

/// Rows that run on the same servers, one after another.
#[derive(Debug, Clone)]
pub(super) struct Group {
    pub keys: u64,
    pub rows: Vec<Row>,
}

/// The named rows for servers of this many nodes, in the order of the table. All rows if no name is given.
pub(super) fn chosen(names: &[String], nodes: usize, page_keys: u64) -> Result<Vec<Group>> {
    let mut groups = if nodes == 1 { alone(page_keys) } else { cluster(nodes) };
    let known: Vec<&str> = groups.iter().flat_map(|group| &group.rows).map(|row| row.name).collect();
    if let Some(unknown) = names.iter().find(|name| !known.contains(&name.as_str())) {
        bail!("there is no row {unknown:?}; the rows are {}", known.join(","));
    }
    if !names.is_empty() {
        for group in &mut groups {
            group.rows.retain(|row| names.iter().any(|name| name == row.name));
        }
        groups.retain(|group| !group.rows.is_empty());
    }
    Ok(groups)
}

/// The rows of a server of one node.
fn alone(page_keys: u64) -> Vec<Group> {
    let single = [
        row("put-1", Work::Put, Shape::of(1), Limits { p50_max: Some(0.95), ..Limits::cpu(0.5) }),
        row("put-64", Work::Put, Shape::of(64), Limits::both(2.2, 0.36)),
        row("put-256", Work::Put, Shape::of(256), Limits::both(1.8, 0.45)),
        row("update-64", Work::Update, Shape::of(64), Limits::both(2.5, 0.3)),
        row("get-64", Work::Get, Shape::of(64), Limits::both(1.9, 0.36)),
        row("list-64", Work::List, Shape::of(64), Limits::both(3.3, 0.12)),
        row("watch-100", Work::Watch, WATCHED, Limits::both(2.0, 0.33)),
    ];
    let page = row("page", Work::Page, Shape::of(PAGERS), Limits { throughput_min: Some(50.0), ..Limits::default() });
    let old = Row { name: "page-old", old_revision: true, ..page.clone() };
    let single = single.into_iter().map(|row| Group { keys: KEYS, rows: vec![row] });
    single.chain([Group { keys: page_keys, rows: vec![page, old] }]).collect()
}

/// The rows of a cluster of this many nodes.
fn cluster(nodes: usize) -> Vec<Group> {
    let throughput = |min| Limits { throughput_min: Some(min), ..Limits::default() };
    let one = row("put-1", Work::Put, Shape::of(1), Limits { p50_max: Some(0.8), ..Limits::default() });
    let get = row("get-64", Work::Get, Shape::of(64), throughput(1.7));
    let mut rows = vec![
        row("put-64", Work::Put, Shape::of(64), Limits::both(2.0, 0.45)),
        row("put-256", Work::Put, Shape::of(256), Limits::both(1.7, 0.5)),
        Row { name: "put-1-leader", through: Through::Leader, ..one.clone() },
        Row { name: "put-1-follower", through: Through::Follower(0), ..one },
        row("update-64", Work::Update, Shape::of(64), throughput(2.0)),
        Row { name: "get-64-leader", through: Through::Leader, ..get.clone() },
    ];
    let followers = GETS_OF_FOLLOWERS.iter().take(nodes - 1).enumerate();
    rows.extend(followers.map(|(at, name)| Row { name, through: Through::Follower(at), ..get.clone() }));
    rows.push(row("watch-100", Work::Watch, WATCHED, throughput(1.5)));
    rows.into_iter().map(|row| Group { keys: KEYS, rows: vec![row] }).collect()
}

fn row(name: &'static str, work: Work, shape: Shape, limits: Limits) -> Row {
    Row { name, work, shape, through: Through::All, old_revision: false, limits }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_row_is_refused_with_the_known_ones() {
        let error = chosen(&["put-2".to_owned()], 1, 10).unwrap_err().to_string();
        assert!(error.contains("put-1,put-64") && error.contains("page-old"), "{error}");
    }

    #[test]
    fn rows_keep_their_order_and_groups() {
        let names = ["page-old", "put-1"].map(str::to_owned);
        let groups = chosen(&names, 1, 10).unwrap();
        let rows: Vec<_> = groups.iter().map(|group| (group.keys, group.rows[0].name)).collect();
        assert_eq!(rows, [(KEYS, "put-1"), (10, "page-old")]);
    }

    #[test]
    fn gets_go_through_each_member_of_a_cluster_in_turn() {
        let rows = |nodes| chosen(&[], nodes, 10).unwrap().into_iter().flat_map(|group| group.rows);
        let gets = |nodes| rows(nodes).filter(|row| row.work == Work::Get).map(|row| row.through).collect::<Vec<_>>();
        assert_eq!(gets(1), [Through::All]);
        assert_eq!(gets(3), [Through::Leader, Through::Follower(0), Through::Follower(1)]);
        assert_eq!(gets(5).len(), 5);
    }
}
