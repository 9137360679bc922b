//! The addresses that a download may connect to: a public mirror must not lead into the user's own machine or network.
//!
//! A redirect names the next address, and a name may resolve to another address each time. So every connection is judged
//! by the address that is about to be connected to. A mirror that is itself loopback or private was named by the user, and
//! may redirect as it likes. A proxy resolves names itself, so behind a proxy only literal addresses can be judged.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::OnceLock;
use ureq::Error;
use ureq::http::Uri;
use ureq::unversioned::transport::{ConnectionDetails, Connector};

/// Judges each connection before it is made. The first connection is that to the mirror.
#[derive(Debug)]
pub struct Guard {
    /// Whether connections go through a proxy.
    proxied: bool,
    /// Whether the mirror itself is loopback or private.
    mirror_is_inner: OnceLock<bool>,
}

impl Guard {
    /// The guard of all connections to one mirror.
    pub fn new(proxied: bool) -> Self {
        Self { proxied, mirror_is_inner: OnceLock::new() }
    }

    /// Judges a connection to `host`, which resolved to `addresses`. Behind a proxy there are none.
    fn judge(&self, host: &str, addresses: &[SocketAddr]) -> Result<(), String> {
        let is_inner = |address: &SocketAddr| is_inner(address.ip());
        let all_inner = if addresses.is_empty() { is_inner_host(host) } else { addresses.iter().all(is_inner) };
        if *self.mirror_is_inner.get_or_init(|| all_inner) {
            return Ok(());
        }
        // Of a name with addresses of both sorts, chance would decide which is connected to.
        let found = addresses.iter().find(|address| is_inner(address));
        if found.is_none() && !all_inner {
            return Ok(());
        }
        let at = found.filter(|_| !is_inner_host(host)).map_or(String::new(), |found| format!(" at {}", found.ip()));
        Err(format!("leads to {host}{at}, a loopback or private address, where no public mirror may lead"))
    }
}

impl Connector<()> for Guard {
    type Out = ();

    fn connect(&self, details: &ConnectionDetails, _: Option<()>) -> Result<Option<()>, Error> {
        // The connection to the proxy itself is made with settings that have no proxy. The user named the proxy.
        if self.proxied && details.config.proxy().is_none() {
            return Ok(None);
        }
        let refuse = |reason: String| Err(Error::Other(reason.into()));
        if !matches!(details.uri.scheme_str(), Some("http" | "https")) {
            return refuse(format!("leads to {}, which is neither http nor https", details.uri));
        }
        match self.judge(host(details.uri), &details.addrs) {
            Ok(()) => Ok(None),
            Err(reason) => refuse(reason),
        }
    }
}

/// The host without the brackets of an IPv6 address.
fn host(uri: &Uri) -> &str {
    uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']')
}

/// Whether a host names this machine, or is written as a number that is no public address.
fn is_inner_host(host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let address = host.split('%').next().unwrap_or_default();
    if let Ok(address) = address.parse() {
        return is_inner(address);
    }
    // Some resolvers read 127.1, 0x7f.1 and 2130706433 as addresses. No name ends in a number.
    let last = host.rsplit('.').next().unwrap_or_default();
    let is_number = |digits: &str, hex: bool| {
        !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit() || (hex && b.is_ascii_hexdigit()))
    };
    host == "localhost"
        || host.ends_with(".localhost")
        || is_number(last, false)
        || last.strip_prefix("0x").is_some_and(|digits| digits.is_empty() || is_number(digits, true))
}

/// Whether an address is not one of the public internet: this machine, a private or shared network, a link, multicast, or
/// reserved. An IPv6 address that carries an IPv4 address is judged by the latter.
fn is_inner(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_inner_v4(address),
        IpAddr::V6(address) => is_inner_v6(address),
    }
}

fn is_inner_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    matches!(
        (a, b, c),
        (0 | 10 | 127 | 224.., ..)
            | (100, 64..=127, _)
            | (169, 254, _)
            | (172, 16..=31, _)
            | (192, 168, _)
            | (192, 0, 0)
            | (198, 18 | 19, _)
    )
}

fn is_inner_v6(address: Ipv6Addr) -> bool {
    let embedded = |high: u16, low: u16| is_inner_v4(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)));
    match address.segments() {
        // ::, ::1, and IPv4-compatible and -mapped addresses.
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] => embedded(high, low),
        // Translation to IPv4, with a public prefix and with one of the local network.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => embedded(high, low),
        [0x64, 0xff9b, 1, ..] => true,
        // 6to4.
        [0x2002, high, low, ..] => embedded(high, low),
        // Unique local, link-local, the former site-local, and multicast.
        [0xfc00..=0xffff, ..] => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(list: &[&str]) -> Vec<SocketAddr> {
        list.iter().map(|address| SocketAddr::new(address.parse().unwrap(), 80)).collect()
    }

    #[test]
    fn addresses_of_this_machine_and_of_private_networks_are_inner() {
        for inner in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.168.1.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(is_inner(inner.parse().unwrap()), "{inner}");
            assert!(is_inner_host(inner), "{inner}");
        }
        for public in [
            "1.1.1.1",
            "100.63.0.1",
            "100.128.0.1",
            "169.253.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "192.167.0.1",
            "198.20.0.1",
            "223.255.255.255",
            "2606:4700::1111",
            "::ffff:1.1.1.1",
            "64:ff9b::101:101",
            "2002:101:101::",
            "fbff::1",
        ] {
            assert!(!is_inner(public.parse().unwrap()), "{public}");
            assert!(!is_inner_host(public), "{public}");
        }
    }

    #[test]
    fn hosts_that_resolvers_read_as_numbers_are_inner() {
        for host in [
            "localhost",
            "LOCALHOST.",
            "a.localhost",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0x7f.1",
            "0177.0.0.01",
            "fe80::1%eth0",
        ] {
            assert!(is_inner_host(host), "{host}");
        }
        for host in ["example.org", "localhost.example.org", "1.example", "x0x7f", "mirror-1"] {
            assert!(!is_inner_host(host), "{host}");
        }
    }

    /// The mirror decides, by the address that was connected to first.
    #[test]
    fn a_public_mirror_leads_to_public_addresses_alone() {
        let guard = Guard::new(false);
        guard.judge("mirror.example", &addresses(&["1.1.1.1", "2606:4700::1111"])).unwrap();
        guard.judge("other.example", &addresses(&["8.8.8.8"])).unwrap();
        for (host, list) in [
            ("127.0.0.1", &["127.0.0.1"][..]),
            ("other.example", &["169.254.169.254"]),
            ("other.example", &["8.8.8.8", "::1"]),
            // The name of the mirror itself resolves to another address than before.
            ("mirror.example", &["10.0.0.1"]),
        ] {
            let reason = guard.judge(host, &addresses(list)).unwrap_err();
            assert!(reason.contains(host) && reason.contains(list[list.len() - 1]), "{reason}");
        }
        let proxied = Guard::new(true);
        proxied.judge("mirror.example", &[]).unwrap();
        proxied.judge("other.example", &[]).unwrap();
        assert!(proxied.judge("::ffff:127.0.0.1", &[]).is_err());
    }

    #[test]
    fn a_private_mirror_may_lead_anywhere() {
        for (host, list) in [("127.0.0.1", &["127.0.0.1"][..]), ("files.intranet", &["10.1.1.1", "fd00::1"])] {
            let guard = Guard::new(false);
            guard.judge(host, &addresses(list)).unwrap();
            guard.judge("192.168.0.9", &addresses(&["192.168.0.9"])).unwrap();
            guard.judge("other.example", &addresses(&["8.8.8.8"])).unwrap();
        }
    }

    #[test]
    fn a_mirror_with_addresses_of_both_sorts_is_refused() {
        assert!(Guard::new(false).judge("mirror.example", &addresses(&["1.1.1.1", "127.0.0.1"])).is_err());
    }
}
