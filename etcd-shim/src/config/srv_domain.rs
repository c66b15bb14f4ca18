//! [`SrvDomain`]: `--discovery-srv` and `--discovery-srv-name`.

use super::settings::Settings;
use super::url::Scheme;

/// The value of `--initial-cluster` that a configuration file may have beside discovery: etcd cannot tell it from the
/// default.
const ETCD_INITIAL_CLUSTER: &str = "default=http://localhost:2380";

/// A DNS domain whose SRV records list the members of a new cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SrvDomain {
    /// The domain.
    pub domain: String,
    /// The end of the services' names, by which a domain can list several clusters. Empty if there is none.
    pub name: String,
}

impl SrvDomain {
    /// Reads the flags. `None` if `--discovery-srv` is not set. As in etcd, only one flag may list the members.
    pub(super) fn read(s: &Settings, from_file: bool) -> Result<Option<Self>, String> {
        let domain = s.text("discovery-srv");
        let listed = s.text("initial-cluster");
        let is_default = from_file && listed == ETCD_INITIAL_CLUSTER;
        let is_listed = !listed.is_empty() && !is_default;
        let has_service = !s.text("discovery").is_empty();
        let has_endpoints = !s.set_of("discovery-endpoints").is_empty();
        let ways = [is_listed, has_service, has_endpoints, !domain.is_empty()];
        if ways.into_iter().filter(|is_set| *is_set).count() > 1 {
            return Err("multiple discovery or bootstrap flags are set. Choose one of \"initial-cluster\", \
                        \"discovery\", \"discovery-endpoints\" or \"discovery-srv\""
                .to_owned());
        }
        Ok((!domain.is_empty()).then(|| Self { domain, name: s.text("discovery-srv-name") }))
    }

    /// Why the flags cannot create a cluster, if `--discovery-srv-name` is set without a domain. As in etcd,
    /// `--initial-cluster` then has no default on the command line. In a file it keeps its default.
    pub(super) fn without_domain(s: &Settings, from_file: bool, name: &str) -> Option<String> {
        let is_nameless = s.text("discovery-srv-name").is_empty();
        let is_listed = !s.text("initial-cluster").is_empty() || !s.text("discovery-srv").is_empty();
        (!from_file && !is_nameless && !is_listed).then(|| {
            format!(
                "couldn't find local name {name:?} in the initial cluster configuration: --discovery-srv-name is set, \
                 expected --discovery-srv beside it, or --initial-cluster"
            )
        })
    }

    /// The two services that are asked for, and the scheme of the peer URLs that each of them lists.
    pub fn services(&self) -> [(Scheme, String); 2] {
        let suffixed = |service: &str| match self.name.as_str() {
            "" => service.to_owned(),
            name => format!("{service}-{name}"),
        };
        [(Scheme::Https, suffixed("etcd-server-ssl")), (Scheme::Http, suffixed("etcd-server"))]
    }

    /// The name of a service's SRV records.
    pub fn records_of(&self, service: &str) -> String {
        format!("_{service}._tcp.{}", self.domain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_ends_the_names_of_both_services() {
        let names = |name: &str| {
            let srv = SrvDomain { domain: "example.com".to_owned(), name: name.to_owned() };
            srv.services().map(|(scheme, service)| (scheme, srv.records_of(&service)))
        };
        assert_eq!(
            names(""),
            [
                (Scheme::Https, "_etcd-server-ssl._tcp.example.com".to_owned()),
                (Scheme::Http, "_etcd-server._tcp.example.com".to_owned()),
            ]
        );
        assert_eq!(
            names("green"),
            [
                (Scheme::Https, "_etcd-server-ssl-green._tcp.example.com".to_owned()),
                (Scheme::Http, "_etcd-server-green._tcp.example.com".to_owned()),
            ]
        );
    }
}
