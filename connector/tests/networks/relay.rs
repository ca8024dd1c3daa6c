//! Reached through a relay, and being one (NET-11).

use naru::transport::{ConnInfo, Limits, Network, Transport, TransportError, free_port};

use crate::{big, by, config, start, until, who, within};

fn relay_at(port: u16, limits: Limits) -> naru::transport::Config {
    let network = Network { relays_others: true, ..Network::default() };
    within(limits, by(network, &[&format!("/ip4/127.0.0.1/tcp/{port}")]))
}

/// A node that nothing gets in to, with a reservation wanted at this relay.
async fn behind(relay: &Transport) -> Transport {
    let network = Network { relays: vec![relay.listen_addrs()[0].clone()], ..Network::default() };
    start(by(network, &[])).await
}

pub(crate) async fn reserved(node: &Transport) -> String {
    until("the reservation", || !node.listen_addrs().is_empty()).await;
    node.listen_addrs()[0].clone()
}

/// The connection of `of` with `to` that goes through a relay.
fn circuit(of: &Transport, to: &Transport) -> Option<ConnInfo> {
    of.connected()
        .into_iter()
        .find(|info| info.peer == to.peer_id() && info.address.ends_with("/p2p-circuit"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_that_nothing_gets_in_to_meet_at_a_relay() {
    // NET-11.1, NET-11.2, NET-3.2, NET-2.4
    let relay = start(relay_at(0, Limits::default())).await;
    let (a, b) = (behind(&relay).await, start(config(&[])).await);
    relay.set_served([a.peer_id()]);
    let address = reserved(&a).await;
    assert_eq!(address, format!("{}/p2p-circuit/p2p/{}", relay.listen_addrs()[0], a.peer_id()));
    b.connect(a.peer_id(), std::slice::from_ref(&address)).await.unwrap();
    until("the circuit", || circuit(&a, &b).is_some()).await;
    // Each end proved itself to the other, and not to the relay.
    assert_eq!(
        (who(&b, &a).await.unwrap(), who(&a, &b).await.unwrap()),
        (b.peer_id().into(), a.peer_id().into())
    );
    let (there, back) = futures::join!(big(&b, &a), big(&a, &b));
    assert_eq!((there.unwrap(), back.unwrap()), (4 << 20, 4 << 20));
    assert!(circuit(&b, &a).unwrap().security.starts_with("/tls/1.0.0 "));
    assert!(relay.connected().iter().all(|info| !info.address.ends_with("/p2p-circuit")));
    // Whoever is named has to answer, through a relay too.
    let wrong = address.replace(a.peer_id(), relay.peer_id());
    assert!(b.dial(&wrong).await.is_err());
    // Where there is a direct connection, it is taken.
    let direct = start(config(&["/ip4/127.0.0.1/tcp/0"])).await;
    a.dial(&direct.listen_addrs()[0]).await.unwrap();
    direct.dial(&address).await.unwrap();
    assert_eq!(direct.connected().iter().filter(|info| info.peer == a.peer_id()).count(), 2);
    let chosen = direct.connect(a.peer_id(), &[]).await.unwrap();
    assert!(!chosen.address.ends_with("/p2p-circuit"), "{chosen:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_serves_whom_it_is_told_and_nobody_else() {
    // NET-11.3
    let relay = start(relay_at(0, Limits::default())).await;
    let (a, b) = (behind(&relay).await, start(config(&[])).await);
    until("a refusal", || futures::executor::block_on(relay.counters()).refused_relays > 0).await;
    assert!(a.listen_addrs().is_empty());
    let address = format!("{}/p2p-circuit/p2p/{}", relay.listen_addrs()[0], a.peer_id());
    let none = b.connect(a.peer_id(), std::slice::from_ref(&address)).await;
    assert!(none.is_err(), "{none:?}");
    // It asks again by itself.
    relay.set_served([a.peer_id()]);
    reserved(&a).await;
    b.connect(a.peer_id(), &[address]).await.unwrap();
    // A node that is no relay takes nobody.
    let no_relay = start(config(&["/ip4/127.0.0.1/tcp/0"])).await;
    no_relay.set_served([a.peer_id()]);
    let c = behind(&no_relay).await;
    until("the connection", || c.is_connected(no_relay.peer_id())).await;
    let address = format!("{}/p2p-circuit/p2p/{}", no_relay.listen_addrs()[0], c.peer_id());
    assert!(b.connect(c.peer_id(), &[address]).await.is_err());
    assert!(c.listen_addrs().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_circuit_that_has_carried_its_share_ends_and_another_is_made() {
    // NET-11.4
    let limits = Limits { relay_circuit_bytes: 2 << 20, ..Limits::default() };
    let relay = start(relay_at(0, limits)).await;
    let (a, b) = (behind(&relay).await, start(config(&[])).await);
    relay.set_served([a.peer_id()]);
    let address = [reserved(&a).await];
    b.connect(a.peer_id(), &address).await.unwrap();
    let cut = big(&b, &a).await;
    assert!(
        matches!(cut, Err(TransportError::StreamReset { .. } | TransportError::ConnectionLost { .. })),
        "{cut:?}"
    );
    until("the end", || circuit(&b, &a).is_none()).await;
    b.connect(a.peer_id(), &address).await.unwrap();
    assert_eq!(who(&b, &a).await.unwrap(), b.peer_id());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reservation_comes_back_with_its_relay() {
    // NET-11.1
    let port = free_port().unwrap();
    let config_of_relay = relay_at(port, Limits::default());
    let relay = start(config_of_relay.clone()).await;
    let (a, b) = (behind(&relay).await, start(config(&[])).await);
    relay.set_served([a.peer_id()]);
    let address = [reserved(&a).await];
    relay.shutdown().await;
    until("the end", || a.listen_addrs().is_empty()).await;
    drop(relay);
    let relay = start(config_of_relay).await;
    relay.set_served([a.peer_id()]);
    assert_eq!([reserved(&a).await], address);
    b.connect(a.peer_id(), &address).await.unwrap();
    assert_eq!(who(&b, &a).await.unwrap(), b.peer_id());
}
