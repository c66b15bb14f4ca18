//! The URLs of etcd's flags: a scheme and an address, and nothing else.

use std::fmt;

use naxos_proto::seams::Address;

/// The protocol at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scheme {
    /// Plain text over TCP.
    Http,
    /// TLS over TCP.
    Https,
    /// Plain text over a Unix socket.
    Unix,
    /// TLS over a Unix socket.
    Unixs,
}

/// A listening or advertised URL.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Url {
    /// The protocol.
    pub scheme: Scheme,
    /// `host:port`; for Unix sockets the part before the path.
    pub host: String,
    /// For Unix sockets the rest of the socket's path, from the first `/`, `?` or `#` on. Empty for all other URLs.
    pub path: String,
}

impl Url {
    /// Reads one URL. The errors are etcd's.
    pub fn parse(text: &str) -> Result<Url, String> {
        let text = text.trim();
        let bad_scheme = || format!("URL scheme must be http, https, unix, or unixs: {text}");
        let (scheme, rest) = text.split_once("://").ok_or_else(bad_scheme)?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            "unix" => Scheme::Unix,
            "unixs" => Scheme::Unixs,
            _ => return Err(bad_scheme()),
        };
        let slash = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (host, path) = rest.split_at(slash);
        let url = Url { scheme, host: host.to_owned(), path: path.to_owned() };
        if !url.is_unix() {
            if split_host_port(host).is_none() {
                return Err(format!("URL address does not have the form \"host:port\": {text}"));
            }
            if !path.is_empty() {
                return Err(format!("URL must not contain a path: {text}"));
            }
        }
        Ok(url)
    }

    /// Whether the address is a Unix socket.
    pub fn is_unix(&self) -> bool {
        matches!(self.scheme, Scheme::Unix | Scheme::Unixs)
    }

    /// Whether the URL uses TLS.
    pub fn is_secure(&self) -> bool {
        matches!(self.scheme, Scheme::Https | Scheme::Unixs)
    }

    /// The host without its port and without brackets.
    pub fn host_name(&self) -> &str {
        split_host_port(&self.host).map_or(self.host.as_str(), |(host, _)| host)
    }

    /// The address to listen on or to connect to.
    pub fn address(&self) -> Address {
        if self.is_unix() {
            Address::Unix(format!("{}{}", self.host, self.path).into())
        } else {
            Address::Tcp(self.host.clone())
        }
    }

    /// Refuses a URL that cannot be bound to: host names are not looked up, except for `localhost`.
    pub(super) fn check_bind(&self) -> Result<(), String> {
        if self.is_unix() || self.host_name() == "localhost" || is_ip(self.host_name()) {
            return Ok(());
        }
        Err(format!("expected IP in URL for binding ({self})"))
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
            Scheme::Unix => "unix",
            Scheme::Unixs => "unixs",
        };
        write!(f, "{scheme}://{}{}", self.host, self.path)
    }
}

/// Reads URLs separated by commas. They are sorted and each of them is kept once, as in etcd.
pub(super) fn parse_urls(text: &str) -> Result<Vec<Url>, String> {
    let mut urls = text.split(',').map(Url::parse).collect::<Result<Vec<_>, _>>()?;
    urls.sort_by_key(ToString::to_string);
    urls.dedup();
    Ok(urls)
}

/// The URLs as one text, separated by commas.
pub fn join(urls: &[Url]) -> String {
    urls.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

fn is_ip(host: &str) -> bool {
    let host = host.split_once('%').map_or(host, |(address, _zone)| address);
    host.parse::<std::net::IpAddr>().is_ok()
}

/// Splits `host:port` or `[v6]:port`.
fn split_host_port(text: &str) -> Option<(&str, &str)> {
    let (host, port) = text.rsplit_once(':')?;
    let bracketed = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    let host = match bracketed {
        Some(inside) => inside,
        None if host.contains([':', '[', ']']) => return None,
        None => host,
    };
    port.bytes().all(|b| b.is_ascii_digit()).then_some((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_urls_print_as_they_were() {
        for text in ["http://127.0.0.1:2379", "https://[::1]:1", "unix://localhost:22399", "unix:///tmp/s", "http://:1"]
        {
            assert_eq!(Url::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Url::parse("unix://a:1/b").unwrap().address(), Address::Unix("a:1/b".into()));
        assert_eq!(Url::parse(" HTTP://a:1 ").unwrap().to_string(), "http://a:1");
        assert_eq!(Url::parse("https://[::1]:1").unwrap().host_name(), "::1");
    }

    #[test]
    fn bad_urls_are_refused_in_the_words_of_etcd() {
        let table = [
            ("foo", "URL scheme must be http, https, unix, or unixs: foo"),
            ("127.0.0.1:2379", "URL scheme must be http, https, unix, or unixs: 127.0.0.1:2379"),
            ("ftp://a:1", "URL scheme must be http, https, unix, or unixs: ftp://a:1"),
            ("http://a", "URL address does not have the form \"host:port\": http://a"),
            ("http://a:x", "URL address does not have the form \"host:port\": http://a:x"),
            ("http://::1:2379", "URL address does not have the form \"host:port\": http://::1:2379"),
            ("http://a:1/x", "URL must not contain a path: http://a:1/x"),
            ("http://a:1/", "URL must not contain a path: http://a:1/"),
            ("", "URL scheme must be http, https, unix, or unixs: "),
        ];
        for (text, error) in table {
            assert_eq!(Url::parse(text).unwrap_err(), error);
        }
    }

    #[test]
    fn lists_are_sorted_and_each_url_stands_once() {
        let urls = parse_urls("http://b:1,http://a:1, http://b:1").unwrap();
        assert_eq!(join(&urls), "http://a:1,http://b:1");
        assert!(parse_urls("http://b:1,").is_err());
    }

    #[test]
    fn no_host_name_can_be_bound_except_localhost() {
        assert!(Url::parse("http://localhost:1").unwrap().check_bind().is_ok());
        assert!(Url::parse("http://[fe80::1%eth0]:1").unwrap().check_bind().is_ok());
        let error = Url::parse("http://foo:1").unwrap().check_bind().unwrap_err();
        assert_eq!(error, "expected IP in URL for binding (http://foo:1)");
        assert!(Url::parse("http://:1").unwrap().check_bind().is_err());
    }
}
