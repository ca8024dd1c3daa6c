//! QUIC as an option (NET-13).

use naru::transport::{Config, Limits, Network, Proxy, TransportError};

use crate::{big, by, config, relay::reserved, start, until, who, within};

const ANYWHERE: &str = "/ip4/127.0.0.1/udp/0/quic-v1";

fn quic(listen: &[&str]) -> Config {
    by(Network { quic: true, ..Network::default() }, listen)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quic_carries_what_tcp_does() {
    // NET-13.1, NET-1.1, NET-1.2, NET-3.2
    let (a, b) = (start(quic(&[ANYWHERE])).await, start(quic(&[])).await);
    let address = a.listen_addrs()[0].clone();
    let info = b.dial(&address).await.unwrap();
    assert!(info.address.ends_with("/quic-v1") && info.security.starts_with("/quic-v1"), "{info:?}");
    until("the connection", || a.is_connected(b.peer_id())).await;
    assert_eq!(
        (who(&b, &a).await.unwrap(), who(&a, &b).await.unwrap()),
        (b.peer_id().to_owned(), a.peer_id().to_owned())
    );
    let (there, back) = futures::join!(big(&b, &a), big(&a, &b));
    assert_eq!((there.unwrap(), back.unwrap()), (4 << 20, 4 << 20));
    let failed = start(quic(&[])).await.dial(&address.replace(a.peer_id(), b.peer_id())).await;
    assert!(matches!(failed, Err(TransportError::PeerMismatch { .. })), "{failed:?}");
    b.disconnect(a.peer_id()).await.unwrap();
    until("the end", || a.connected().is_empty()).await;
    let counters = a.counters().await;
    assert_eq!((counters.connections, counters.in_setup, counters.in_swarm), (0, 0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_used_where_it_is_switched_on_alone() {
    // NET-13.1, NET-13.2, NET-10.4
    let a = start(quic(&[ANYWHERE, "/ip4/127.0.0.1/tcp/0"])).await;
    let addresses = a.listen_addrs();
    let of_quic: Vec<String> =
        addresses.iter().filter(|address| address.contains("/quic-v1")).cloned().collect();
    let proxy = Some(Proxy::new("http://127.0.0.1:9", None).unwrap());
    for without in [config(&[]), by(Network { quic: true, proxy, ..Network::default() }, &[])] {
        let without = start(without).await;
        let refused = without.connect(a.peer_id(), &of_quic).await;
        assert!(matches!(refused, Err(TransportError::BadAddress { .. })), "{refused:?}");
        // A peer's other addresses are none the worse for it.
        let info = without.connect(a.peer_id(), &addresses).await.unwrap();
        assert!(info.address.contains("/tcp/"), "{info:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_is_reached_by_quic_too() {
    // NET-11.2, NET-13.1
    let network = Network { quic: true, relays_others: true, ..Network::default() };
    let relay = start(within(Limits::default(), by(network, &[ANYWHERE]))).await;
    let network = Network { quic: true, relays: vec![relay.listen_addrs()[0].clone()], ..Network::default() };
    let (a, b) = (start(by(network, &[])).await, start(quic(&[])).await);
    relay.set_served([a.peer_id()]);
    let address = reserved(&a).await;
    assert!(address.contains("/quic-v1/p2p/"), "{address}");
    b.connect(a.peer_id(), &[address]).await.unwrap();
    assert_eq!(who(&b, &a).await.unwrap(), b.peer_id());
}
