//! The listening address, the HTTPS certificate, and what is known of how peers see them.
//!
//! Nothing is asked of any peer or service: whether the address is reached from outside is known only by peers that dialled in.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use naru_protocol::error::Code;
use serde_json::Value;
use tokio::net::TcpStream;
use x509_parser::prelude::{GeneralName, X509Certificate};

use super::{Item, Looked, Said, said};
use crate::{
    config::{Https, bindable},
    control,
    transport::https::Identity,
};

/// How long our own port may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// Seconds before the end of a certificate from which on it is said.
const SOON: i64 = 30 * 86_400;

/// Looks at all of it.
pub(super) async fn check(looked: &Looked<'_>) -> Vec<Item> {
    let listen = &looked.config.listen;
    let mut items = Vec::new();
    match listen.host.parse::<IpAddr>() {
        _ if listen.port == 0 => items.push(Item::ok(
            "address",
            said!("none: this node only dials out", "없음: 이 노드는 밖으로만 연결합니다"),
        )),
        Ok(host) => items.push(port(looked, "address", SocketAddr::new(host, listen.port)).await),
        Err(_) => {
            let said = said!(
                "listen.host {:?} is no IP address, such as 0.0.0.0",
                "listen.host {:?}은(는) 0.0.0.0 같은 IP 주소가 아닙니다",
                listen.host
            );
            items.push(Item::failed("address", Code::AddressInvalid, said));
        }
    }
    if let Some(https) = &looked.config.https {
        items.push(port(looked, "https", https.listen).await);
        items.push(certificate(looked, https));
    }
    if listen.port != 0 || looked.config.https.is_some() {
        items.push(seen(looked).await);
    }
    items
}

/// Free if no node runs, else ours and answering.
async fn port(looked: &Looked<'_>, name: &'static str, address: SocketAddr) -> Item {
    if looked.status.is_none() {
        return match bindable(&address.ip().to_string(), address.port()) {
            Ok(_) => alone(name, address, said!("{address} is free", "{address} 비어 있음")),
            Err(error) => Item::failed(name, error.code(), error.to_string()),
        };
    }
    let here = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
    };
    match tokio::time::timeout(PATIENCE, TcpStream::connect((here, address.port()))).await {
        Ok(Ok(_)) => alone(name, address, said!("{address} answers", "{address} 응답함")),
        Ok(Err(_)) | Err(_) => {
            let said = said!(
                "the node runs, and {address} does not answer",
                "노드는 실행 중이지만 {address}이(가) 응답하지 않습니다"
            );
            Item::failed(name, Code::Unreachable, said).hints(
                "The address in naru.toml may have changed since the node was started: restart it.",
                "노드를 시작한 뒤 naru.toml의 주소가 바뀌었을 수 있습니다. 다시 시작하세요.",
            )
        }
    }
}

/// In order, but for an address that no other machine reaches.
fn alone(name: &'static str, address: SocketAddr, said: Said) -> Item {
    if address.ip().is_loopback() {
        let said = Said {
            en: format!("{}; it is on loopback, which no other machine reaches", said.en),
            ko: format!("{}; 루프백 주소라 다른 컴퓨터에서 닿지 않습니다", said.ko),
        };
        return Item::warning(name, Code::AddressInvalid, said).hints(
            "For partners elsewhere set listen.host to 0.0.0.0, or let this node dial out.",
            "다른 곳의 상대를 위해서는 listen.host를 0.0.0.0으로 하거나, 이 노드가 밖으로 연결하게 하세요.",
        );
    }
    Item::ok(name, said)
}

/// What peers that dialled in have shown by it.
async fn seen(looked: &Looked<'_>) -> Item {
    const NAME: &str = "from outside";
    if looked.status.is_none() {
        return Item::ok(
            NAME,
            said!("not known while the node does not run", "노드가 실행 중이 아니면 알 수 없습니다"),
        );
    }
    let peers = match control::call(looked.folder.path(), "peers", None).await {
        Ok(peers) => peers,
        Err(error) => return Item::warning(NAME, Code::NotRunning, error.message),
    };
    let peers = peers.as_array().map(Vec::as_slice).unwrap_or_default();
    let word =
        |peer: &Value, name: &str| peer.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let came =
        |peer: &&Value| matches!(word(peer, "connected").as_str(), "peer dialled" | "peer asks by HTTPS");
    match peers.iter().find(came) {
        Some(peer) => Item::ok(
            NAME,
            said!(
                "{} has dialled in: peers reach this node",
                "{}이(가) 들어와 연결했습니다: 상대가 이 노드에 닿습니다",
                word(peer, "alias")
            ),
        ),
        None => Item::ok(
            NAME,
            said!(
                "no peer has dialled in since the start: whether a firewall is in between cannot be known from here",
                "시작 뒤 들어와 연결한 상대가 없습니다: 방화벽이 가로막는지는 여기서 알 수 없습니다"
            ),
        ),
    }
}

/// The certificate: its key, its dates, its names.
fn certificate(looked: &Looked<'_>, https: &Https) -> Item {
    const NAME: &str = "certificate";
    let bad = |said: Said| Item::failed(NAME, Code::CertificateInvalid, said);
    let shown = match https.read(looked.folder) {
        Ok(shown) => shown,
        Err(error) => return bad(error.to_string().into()),
    };
    let own = shown.chain.first().cloned();
    let pinned = shown.address.https().is_some_and(|door| door.certificate.is_some());
    if let Err(error) = Identity::new(shown.chain, shown.key) {
        return bad(error.to_string().into());
    }
    let parsed = own.as_ref().map(|own| x509_parser::parse_x509_certificate(own));
    let Some(Ok((_, certificate))) = parsed else {
        return bad(said!("cannot be read", "읽을 수 없습니다"));
    };
    let (from, to) =
        (certificate.validity().not_before.timestamp(), certificate.validity().not_after.timestamp());
    let now = i64::try_from(looked.now).unwrap_or(i64::MAX);
    let until = certificate.validity().not_after;
    if now < from || now > to {
        return bad(said!(
            "valid from {} to {until}",
            "{}부터 {until}까지 유효합니다",
            certificate.validity().not_before
        ));
    }
    let host = host_of(&https.url);
    if !names(&certificate).iter().any(|name| covers(name, &host)) {
        let said = said!(
            "does not name {host}, the host of https.url",
            "https.url의 호스트 {host}이(가) 적혀 있지 않습니다"
        );
        // Who pinned its digest asks for no name.
        let item = if pinned { Item::warning(NAME, Code::CertificateInvalid, said) } else { bad(said) };
        return item;
    }
    if to - now < SOON {
        let said = said!("ends on {until}", "{until}에 끝납니다");
        return Item::warning(NAME, Code::CertificateInvalid, said);
    }
    let said = if pinned {
        said!(
            "names {host}, valid to {until}, self-signed, its digest is in tickets",
            "{host}을(를) 가리키며 {until}까지 유효, 자체 서명, 다이제스트가 티켓에 있음"
        )
    } else {
        said!(
            "names {host}, valid to {until}, vouched for by an authority",
            "{host}을(를) 가리키며 {until}까지 유효, 인증 기관이 보증함"
        )
    };
    Item::ok(NAME, said)
}

/// The host of `https://host[:port]`, without the brackets of an IPv6 address.
fn host_of(url: &str) -> String {
    let host = url.strip_prefix("https://").unwrap_or(url);
    if let Some((host, _)) = host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return host.to_owned();
    }
    host.split(':').next().unwrap_or_default().to_owned()
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let names = certificate.subject_alternative_name().ok().flatten();
    let names = names.map(|names| names.value.general_names.as_slice()).unwrap_or_default();
    names.iter().filter_map(name).collect()
}

#[expect(clippy::wildcard_enum_match_arm, reason = "other kinds of names are of no host")]
fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_ascii_lowercase()),
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => <[u8; 4]>::try_from(*bytes).ok().map(|ip| IpAddr::from(ip).to_string()),
            16 => <[u8; 16]>::try_from(*bytes).ok().map(|ip| IpAddr::from(ip).to_string()),
            _ => None,
        },
        _ => None,
    }
}

/// Whether a name of a certificate is this host, or all hosts one level below a domain of it.
fn covers(name: &str, host: &str) -> bool {
    let host = host.parse::<IpAddr>().map_or_else(|_| host.to_ascii_lowercase(), |ip| ip.to_string());
    match name.strip_prefix("*.") {
        Some(domain) => host.split_once('.').is_some_and(|(_, rest)| rest == domain),
        None => name == host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_compared_with_the_names_of_certificates() {
        assert_eq!(host_of("https://naru.example:4443"), "naru.example");
        assert_eq!(host_of("https://[2400::1]:1"), "2400::1");
        for (name, host, covered) in [
            ("naru.example", "NARU.example", true),
            ("*.example", "naru.example", true),
            ("*.example", "a.naru.example", false),
            ("*.example", "example", false),
            ("2400::1", "2400:0::1", true),
            ("127.0.0.1", "127.0.0.2", false),
        ] {
            assert_eq!(covers(name, host), covered, "{name} {host}");
        }
    }
}
