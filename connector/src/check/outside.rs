//! How this node gets out of its firm's network: whether the proxy and the relays of `[network]` can be reached, and what they answer
//! (spec chapter 10, NET-10, NET-11).
//!
//! The proxy is asked for a host that can never exist, so that nobody is disturbed by the question; a relay is dialled as a node would,
//! through the proxy, under an identity of the moment, and asked for nothing. Whether the running node has its place at a relay is
//! read from its own addresses.

use std::time::Duration;

use naru_protocol::error::Code;
use serde_json::Value;

use super::{Item, Looked, Said, said};
use crate::{
    config::random,
    transport::{self, Proxy, Transport},
};

/// How long each may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// A name that nobody has (RFC 2606).
const NOBODY: &str = "naru.invalid:443";

/// Looks at all of it.
pub(super) async fn check(looked: &Looked<'_>) -> Vec<Item> {
    let network = &looked.config.network;
    let proxy = match network.proxy(looked.folder) {
        Ok(proxy) => proxy,
        Err(error) => return vec![Item::failed("proxy", error.code(), error.to_string())],
    };
    let mut items = Vec::new();
    if let Some(proxy) = &proxy {
        let item = answer_of(proxy).await;
        let reached = item.code.is_none();
        items.push(item);
        if !reached && !network.relay.is_empty() {
            // All that could be said of the relays is that the proxy is in between.
            return items;
        }
    }
    for relay in &network.relay {
        items.push(relayed(looked, proxy.as_ref(), relay).await);
    }
    items
}

async fn answer_of(proxy: &Proxy) -> Item {
    const NAME: &str = "proxy";
    let failed = |said: Said| {
        Item::failed(NAME, Code::ProxyRefused, said).hints(
            "See that network.proxy names the firm's proxy and that it runs.",
            "network.proxy가 회사의 프록시를 가리키는지, 그 프록시가 동작하는지 확인하세요.",
        )
    };
    match tokio::time::timeout(PATIENCE, proxy.answer(NOBODY)).await {
        Err(_) => failed(said!(
            "{proxy} does not answer within {} s",
            "{proxy}이(가) {}초 안에 응답하지 않습니다",
            PATIENCE.as_secs()
        )),
        Ok(Err(error)) => failed(error.to_string().into()),
        Ok(Ok(407)) => Item::failed(
            NAME,
            Code::ProxyRefused,
            said!("{proxy} wants other credentials (407)", "{proxy}이(가) 다른 자격 증명을 요구합니다 (407)"),
        )
        .hints(
            "Put user:password into the file of network.proxy_credentials, or into NARU_PROXY_CREDENTIALS.",
            "network.proxy_credentials의 파일이나 NARU_PROXY_CREDENTIALS에 user:password를 넣으세요.",
        ),
        Ok(Ok(status)) => Item::ok(
            NAME,
            said!(
                "{proxy} answers, {status} to a host that does not exist: so far it lets this node pass",
                "{proxy}이(가) 없는 호스트에 {status}로 응답합니다: 여기까지는 이 노드를 통과시킵니다"
            ),
        ),
    }
}

async fn relayed(looked: &Looked<'_>, proxy: Option<&Proxy>, relay: &str) -> Item {
    const NAME: &str = "relay";
    let dialled = match tokio::time::timeout(PATIENCE, dialled(looked, proxy, relay)).await {
        Ok(dialled) => dialled,
        Err(_) => Err((Code::TimedOut, format!("no answer within {} s", PATIENCE.as_secs()))),
    };
    let peer = match dialled {
        Ok(peer) => peer,
        Err((code, why)) => return Item::failed(NAME, code, format!("{relay}: {why}")),
    };
    let Some(status) = looked.status else {
        return Item::ok(
            NAME,
            said!(
                "{relay} answers; whether it keeps a place for this node shows while the node runs",
                "{relay} 응답함; 이 노드의 자리를 두는지는 노드가 실행 중일 때 보입니다"
            ),
        );
    };
    let addresses = status.get("addresses").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let through = format!("/p2p/{peer}/p2p-circuit");
    if addresses.iter().filter_map(Value::as_str).any(|address| address.contains(&through)) {
        return Item::ok(
            NAME,
            said!(
                "{relay} answers and keeps a place: partners reach this node through it",
                "{relay} 응답하며 자리를 둡니다: 상대가 이를 통해 이 노드에 닿습니다"
            ),
        );
    }
    Item::warning(NAME, Code::Unreachable, said!(
        "{relay} answers, and keeps no place for this node",
        "{relay} 응답하지만 이 노드의 자리를 두지 않습니다"
    )).hints(
        "The partner that runs it has to accept this node and to set network.relay_for = \"accepted\"; the node asks it again by itself.",
        "중계를 운영하는 상대가 이 노드를 승인하고 network.relay_for = \"accepted\"로 설정해야 합니다. 노드가 스스로 다시 요청합니다.",
    )
}

/// The peer that answers there, once it has proved that it is the one that the address names.
async fn dialled(looked: &Looked<'_>, proxy: Option<&Proxy>, relay: &str) -> Result<String, (Code, String)> {
    let seed = random::<32>().map_err(|e| (Code::Internal, e.to_string()))?;
    let mut wire = transport::Config::new(seed, Vec::new());
    wire.network.proxy = proxy.cloned();
    wire.network.quic = looked.config.network.quic;
    let failed = |e: transport::TransportError| (e.code(), e.to_string());
    let (transport, _incoming) = Transport::start(wire).await.map_err(failed)?;
    let dialled = transport.dial(relay).await;
    transport.shutdown().await;
    dialled.map(|found| found.peer).map_err(failed)
}
