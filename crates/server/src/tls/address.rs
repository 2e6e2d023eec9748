//! Under which addresses and names others on the LAN reach this computer.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// This computer's addresses, those of the route to the outside first; loopback and link-local ones left out.
pub fn local_addresses() -> Vec<IpAddr> {
    let mut found: Vec<IpAddr> = Vec::new();
    for address in outward().into_iter().chain(of_interfaces()) {
        if useful(address) && !found.contains(&address) {
            found.push(address);
        }
    }
    found
}

fn useful(address: IpAddr) -> bool {
    let link_local = match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    !address.is_loopback() && !address.is_unspecified() && !address.is_multicast() && !link_local
}

/// The address that packets to the outside would carry. Connecting a UDP socket sends none; the targets are reserved
/// for documentation.
fn outward() -> Vec<IpAddr> {
    let v4 =
        (SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)), SocketAddr::from((Ipv4Addr::new(192, 0, 2, 1), 9)));
    let v6 = (
        SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
        SocketAddr::from((Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1), 9)),
    );
    [v4, v6]
        .into_iter()
        .filter_map(|(from, to)| {
            let socket = UdpSocket::bind(from).ok()?;
            socket.connect(to).ok()?;
            Some(socket.local_addr().ok()?.ip())
        })
        .collect()
}

/// Further IPv4 addresses, of other networks and of a LAN without a way out.
#[cfg(target_os = "linux")]
fn of_interfaces() -> Vec<IpAddr> {
    std::fs::read_to_string("/proc/net/fib_trie").map(|trie| local_in_trie(&trie)).unwrap_or_default()
}

#[cfg(not(target_os = "linux"))]
fn of_interfaces() -> Vec<IpAddr> {
    Vec::new()
}

/// A line with an address, then one that says `/32 host LOCAL`.
#[cfg(any(target_os = "linux", test))]
fn local_in_trie(trie: &str) -> Vec<IpAddr> {
    let lines: Vec<&str> = trie.lines().collect();
    lines
        .windows(2)
        .filter(|pair| pair[1].contains("/32 host LOCAL"))
        .filter_map(|pair| pair[0].trim_start_matches(|c: char| !c.is_ascii_digit()).trim().parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_addresses_are_read_from_the_routing_table() {
        let trie = "Main:\n  +-- 0.0.0.0/0 3 0 5\n           |-- 10.0.2.15\n              /32 host LOCAL\n           |-- 10.0.2.255\n              /32 link BROADCAST\n";
        assert_eq!(local_in_trie(trie), vec![IpAddr::from([10, 0, 2, 15])]);
        assert!(!useful("169.254.1.1".parse().unwrap()));
        assert!(local_addresses().iter().all(|address| useful(*address)));
    }
}
