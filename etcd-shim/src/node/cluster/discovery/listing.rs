//! [`list_members`]: which members the SRV records list.
//!
//! The rules are etcd's:
//!
//! 1. A record of `_etcd-server-ssl` lists an `https` peer URL, one of `_etcd-server` an `http` one. Both are used.
//! 2. A record lists this member, under this member's own name, if the address of its host and its port are those of
//!    one of this member's advertised URLs. It is left out if the schemes differ.
//! 3. Every other record lists another member. These are named by numbers, which begin at 0 for each service. The names
//!    last until the members announce theirs.
//! 4. A record whose host has no address is left out.
//!
//! The peer URL of a member is made from the record's host and port, for this member as well: all members then compute the
//! same ids.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use super::answer::{Answer, Record};
use super::error::DiscoveryError;
use crate::config::{Url, check_distinct, join, members_of};

/// This member, as its flags describe it.
pub(super) struct Own<'a> {
    pub(super) name: &'a str,
    /// The advertised peer URLs, with their addresses.
    pub(super) urls: &'a [(Url, SocketAddr)],
    /// Whether it begins a cluster. If so, there must be one record for each of its URLs. A cluster that exists already
    /// knows the URLs of its members without the records.
    pub(super) begins: bool,
}

/// What the records list.
#[derive(Debug)]
pub(super) struct Listing {
    /// The peer URLs of the members, by name. This member is one of them.
    pub(super) members: BTreeMap<String, Vec<Url>>,
    /// Why some records were left out.
    pub(super) left_out: Vec<String>,
}

/// See the module.
pub(super) fn list_members(own: &Own<'_>, answers: &[Answer]) -> Result<Listing, DiscoveryError> {
    let (mut pairs, mut found) = (Vec::new(), Vec::new());
    let (mut left_out, mut reasons) = (Vec::new(), Vec::new());
    let mut matched = BTreeSet::new();
    for answer in answers {
        let failed = |reason: &str| format!("error querying DNS SRV records for _{} {reason}", answer.service);
        let records = match &answer.records {
            Ok(records) => records,
            Err(reason) => {
                reasons.push(failed(reason));
                continue;
            }
        };
        let mut number = 0..;
        for record in records {
            match judge(own, answer, record) {
                Ok((url, advertised)) => {
                    let own_name = advertised.filter(|_| !own.name.is_empty()).map(|_| own.name.to_owned());
                    let name = own_name.unwrap_or_else(|| number.next().unwrap_or(u32::MAX).to_string());
                    matched.extend(advertised);
                    found.push(described(&url, record.address.as_ref().ok()));
                    pairs.push((name, url));
                }
                Err(reason) => {
                    reasons.push(failed(&reason));
                    left_out.push(reason);
                }
            }
        }
    }
    if pairs.is_empty() {
        return Err(DiscoveryError::NoRecords(reasons));
    }
    let members = members_of(pairs);
    let Some(listed) = members.get(own.name) else {
        let own_urls = own.urls.iter().map(|(url, address)| described(url, Some(address))).collect();
        found.extend(left_out);
        return Err(DiscoveryError::NotListed { name: own.name.to_owned(), own: own_urls, found });
    };
    if own.begins && (matched.len() != own.urls.len() || listed.len() != own.urls.len()) {
        let advertised: Vec<Url> = own.urls.iter().map(|(url, _)| url.clone()).collect();
        return Err(DiscoveryError::OtherUrls { listed: join(listed), advertised: join(&advertised) });
    }
    check_distinct(&members).map_err(DiscoveryError::Duplicate)?;
    Ok(Listing { members, left_out })
}

/// The peer URL that a record lists, and the advertised URL with the same address, if it lists this member. An error if
/// the record is left out.
fn judge<'a>(own: &Own<'a>, answer: &Answer, record: &Record) -> Result<(Url, Option<&'a Url>), String> {
    let url = record.url(answer.scheme);
    let address = record.address.as_ref().map_err(|reason| {
        let service = &answer.service;
        format!("the SRV record of _{service} for {record} is left out because its host has no address: {reason}")
    })?;
    let advertised = own.urls.iter().rev().find(|(_, own)| own == address).map(|(url, _)| url);
    match advertised {
        Some(advertised) if advertised.scheme != answer.scheme => Err(format!(
            "bootstrap at {url} from DNS for {} has scheme mismatch with expected peer {advertised}",
            answer.service
        )),
        _ => Ok((url, advertised)),
    }
}

fn described(url: &Url, address: Option<&SocketAddr>) -> String {
    address.map_or_else(|| url.to_string(), |address| format!("{url} ({address})"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Scheme;

    /// The first letter of a host is its number: `a.x` has the address 10.0.0.1, and `c.x` has 10.0.0.3. A host that
    /// begins with any letter but `a`, `b` and `c` has no address.
    fn record(host: &str) -> Record {
        let number = "abc".find(&host[..1]).map(|at| at + 1).ok_or_else(|| "no such host".to_owned());
        let address = number.map(|number| format!("10.0.0.{number}:2380").parse().expect("an address"));
        Record { host: host.to_owned(), port: 2380, address }
    }

    fn answer(scheme: Scheme, hosts: &[&str]) -> Answer {
        let service = if scheme == Scheme::Https { "etcd-server-ssl" } else { "etcd-server" }.to_owned();
        let none = format!("lookup _{service}._tcp.x: no such host");
        let records = if hosts.is_empty() { Err(none) } else { Ok(hosts.iter().map(|host| record(host)).collect()) };
        Answer { scheme, service, records }
    }

    /// The list as a member sees it. The arguments are the member's name, its advertised URLs with their addresses, and
    /// the hosts of the records of each service.
    fn list(name: &str, urls: &[(&str, &str)], secure: &[&str], plain: &[&str]) -> Result<Listing, String> {
        let urls: Vec<_> =
            urls.iter().map(|(url, at)| (Url::parse(url).expect("a URL"), at.parse().expect("an address"))).collect();
        let answers = [answer(Scheme::Https, secure), answer(Scheme::Http, plain)];
        list_members(&Own { name, urls: &urls, begins: true }, &answers).map_err(|error| error.to_string())
    }

    fn texts(listing: &Listing) -> Vec<String> {
        listing.members.iter().map(|(name, urls)| format!("{name}={}", join(urls))).collect()
    }

    #[test]
    fn a_member_finds_itself_by_its_address_and_numbers_the_others() {
        let hosts = ["a.x", "b.x", "c.x"];
        for (own, url, address, expected) in [
            (
                "m",
                "http://10.0.0.1:2380",
                "10.0.0.1:2380",
                ["0=http://b.x:2380", "1=http://c.x:2380", "m=http://a.x:2380"],
            ),
            ("m", "http://b.x:2380", "10.0.0.2:2380", ["0=http://a.x:2380", "1=http://c.x:2380", "m=http://b.x:2380"]),
        ] {
            assert_eq!(texts(&list(own, &[(url, address)], &[], &hosts).unwrap()), expected);
        }
        let secure = list("m", &[("https://a.x:2380", "10.0.0.1:2380")], &hosts, &[]).unwrap();
        assert_eq!(texts(&secure), ["0=https://b.x:2380", "1=https://c.x:2380", "m=https://a.x:2380"]);
    }

    #[test]
    fn the_numbers_begin_again_with_the_second_service() {
        let mixed = list("m", &[("https://a.x:2380", "10.0.0.1:2380")], &["a.x", "b.x"], &["c.x"]).unwrap();
        assert_eq!(texts(&mixed), ["0=http://c.x:2380,https://b.x:2380", "m=https://a.x:2380"], "as in etcd");
    }

    #[test]
    fn a_record_without_an_address_or_with_another_scheme_is_left_out() {
        let own = [("http://a.x:2380", "10.0.0.1:2380")];
        let gone = list("m", &own, &[], &["a.x", "gone.x", "b.x"]).unwrap();
        assert_eq!(texts(&gone), ["0=http://b.x:2380", "m=http://a.x:2380"]);
        assert_eq!(
            gone.left_out,
            [
                "the SRV record of _etcd-server for gone.x:2380 is left out because its host has no address: no such host"
            ]
        );
        let both = list("m", &own, &["a.x"], &["a.x", "b.x"]).unwrap();
        assert_eq!(texts(&both), ["0=http://b.x:2380", "m=http://a.x:2380"]);
        assert_eq!(
            both.left_out,
            ["bootstrap at https://a.x:2380 from DNS for etcd-server-ssl has scheme mismatch with expected peer \
              http://a.x:2380"]
        );
    }

    #[test]
    fn what_cannot_be_used_says_what_was_expected() {
        let own = [("http://a.x:2380", "10.0.0.1:2380")];
        let refused = |name, urls: &[(&str, &str)], secure: &[&str], plain: &[&str]| {
            list(name, urls, secure, plain).map(|listing| texts(&listing)).unwrap_err()
        };
        assert_eq!(
            refused("m", &own, &[], &[]),
            "error querying DNS SRV records for _etcd-server-ssl lookup _etcd-server-ssl._tcp.x: no such host; error \
             querying DNS SRV records for _etcd-server lookup _etcd-server._tcp.x: no such host; expected SRV records of \
             --discovery-srv that list the members"
        );
        let only_mismatch = refused("m", &own, &["a.x"], &[]);
        assert!(
            only_mismatch.starts_with(
                "error querying DNS SRV records for _etcd-server-ssl bootstrap at https://a.x:2380 from DNS for \
                 etcd-server-ssl has scheme mismatch with expected peer http://a.x:2380; "
            ),
            "{only_mismatch}"
        );
        assert_eq!(
            refused("m", &own, &[], &["b.x", "gone.x"]),
            "cannot find local etcd member \"m\" in SRV records: expected a record with the address of one of \
             http://a.x:2380 (10.0.0.1:2380), found http://b.x:2380 (10.0.0.2:2380), the SRV record of _etcd-server for \
             gone.x:2380 is left out because its host has no address: no such host"
        );
        // As in etcd, a member without a name is in no record.
        assert!(
            refused("", &own, &[], &["a.x", "b.x"]).starts_with("cannot find local etcd member \"\" in SRV records")
        );
        let two = [own[0], ("http://10.0.0.9:1", "10.0.0.9:1")];
        assert_eq!(
            refused("m", &two, &[], &["a.x", "b.x"]),
            "the SRV records list http://a.x:2380 for this member, --initial-advertise-peer-urls has \
             http://a.x:2380,http://10.0.0.9:1: expected one record for each URL"
        );
        // The host `a.y` has the address of `a.x`.
        let twice = refused("m", &own, &[], &["a.x", "a.y"]);
        assert!(twice.starts_with("the SRV records list http://a.x:2380,http://a.y:2380 for this member"), "{twice}");
        // The name of this member is the number that the list gives to another member.
        let number = refused("0", &own, &[], &["a.x", "b.x"]);
        assert!(number.starts_with("the SRV records list http://a.x:2380,http://b.x:2380 for this member"), "{number}");
    }

    #[test]
    fn a_member_that_joins_need_not_have_a_record_for_each_url() {
        let urls = ["http://a.x:2380", "http://b.x:2380"].map(|url| Url::parse(url).unwrap());
        let urls: Vec<_> =
            urls.into_iter().zip(["10.0.0.1:2380", "10.0.0.2:2380"].map(|at| at.parse().unwrap())).collect();
        let answers = [answer(Scheme::Http, &["a.x", "c.x"])];
        let listing = list_members(&Own { name: "m", urls: &urls, begins: false }, &answers).unwrap();
        assert_eq!(texts(&listing), ["0=http://c.x:2380", "m=http://a.x:2380"]);
    }
}
