//! `naru init`: a folder, keys, and the two statements that the root signs once.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::{SystemTime, UNIX_EPOCH},
};

use naru_protocol::{
    error::Code,
    identity::{Country, Did, KeySet, Participant, Role, Size, fingerprint},
    json::V1,
    jws::sign_compact,
    signature::SigningKey,
};
use serde_json::{Value, json};

use super::lang::pick;
use crate::{
    config::{self, About, Config, Folder, Https, Listen},
    control::Failure,
    node::country,
};

/// What a new node is told.
#[derive(Debug, Clone, clap::Args)]
pub struct Init {
    /// The folder to make.
    #[arg(long, env = "NARU_DIR")]
    pub dir: PathBuf,
    /// The firm's name.
    #[arg(long)]
    pub name: String,
    /// Its country, two letters (ISO 3166-1).
    #[arg(long)]
    pub country: String,
    /// `sme`, `mid` or `large`.
    #[arg(long, default_value = "sme")]
    pub size: String,
    /// The address to listen on.
    #[arg(long, default_value = "0.0.0.0")]
    pub host: String,
    /// The port to listen on: a free one is picked and kept otherwise; 0 only dials out.
    #[arg(long)]
    pub port: Option<u16>,
    /// Also open an HTTPS door at this port, with a self-signed certificate; 0 picks a free port.
    #[arg(long, value_name = "PORT")]
    pub https: Option<u16>,
    /// The name or address under which others reach the HTTPS door, if it is not the one to listen on.
    #[arg(long, value_name = "NAME", requires = "https")]
    pub https_host: Option<String>,
    /// What the firm says of itself where it asks for data, as `role=controller`, as often as needed: `[about]` in naru.toml, with
    /// what rules of some countries ask for.
    #[arg(long, value_name = "KEY=VALUE")]
    pub about: Vec<String>,
}

/// What `init` made.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Made {
    /// The root identity.
    pub did: String,
    /// What partners compare.
    pub fingerprint: String,
    /// The port that partners reach, 0 if none.
    pub port: u16,
    /// Where they reach the HTTPS door, if there is one.
    pub https: Option<String>,
}

/// The settings of a new node.
fn settings(args: &Init, port: u16, https: Option<Https>) -> Result<Config, Failure> {
    let about = if args.about.is_empty() { None } else { Some(about(&args.about)?) };
    Ok(Config {
        version: 1,
        name: args.name.clone(),
        country: args.country.clone(),
        size: args.size.clone(),
        shard: 1,
        listen: Listen { host: args.host.clone(), port },
        network: crate::config::Network::default(),
        https,
        approval: None,
        management: None,
        about,
        publish: None,
        obligations: None,
        monitor: None,
        packs: None,
        telemetry: None,
        policy: None,
    })
}

/// What the firm says of itself, each value as JSON or as a text; one text is a list of one where a list is meant.
fn about(given: &[String]) -> Result<About, Failure> {
    let invalid = |why: String| {
        let hint = pick(
            "`naru config example` shows what can stand in `[about]`.",
            "`[about]` 에 쓸 수 있는 것은 `naru config example` 에 있습니다.",
        );
        Failure::new(Code::ArgumentInvalid, why).hint(hint)
    };
    let mut said = serde_json::Map::new();
    for text in given {
        let (key, value) =
            text.split_once('=').ok_or_else(|| invalid(format!("--about {text:?} is no key=value")))?;
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
        let reads = |value: &Value| serde_json::from_value::<About>(json!({key: value}));
        let value = match reads(&value) {
            Ok(_) => value,
            Err(why) => {
                let list = json!([value]);
                reads(&list).map_err(|_| invalid(format!("--about {text}: {why}")))?;
                list
            }
        };
        said.insert(key.to_owned(), value);
    }
    let about: About = serde_json::from_value(said.into()).map_err(|e| invalid(e.to_string()))?;
    about.check().map_err(|e| invalid(e.to_string()))?;
    Ok(about)
}

/// Makes the folder; refuses one that holds a node.
pub fn create(args: &Init) -> Result<Made, Failure> {
    let config_error = |e: config::ConfigError| Failure::new(e.code(), e.to_string());
    if !country::is_assigned(&args.country) {
        let why = format!("--country {:?}: two capital letters of ISO 3166-1, such as KR", args.country);
        return Err(Failure::new(Code::ArgumentInvalid, why));
    }
    if size(&args.size).is_none() {
        let why = format!("--size {:?}: sme, mid or large", args.size);
        return Err(Failure::new(Code::ArgumentInvalid, why));
    }
    if args.name.trim().is_empty() {
        return Err(Failure::new(
            Code::ArgumentInvalid,
            "--name is empty: the firm's name, as partners see it",
        ));
    }
    let port = match args.port {
        // Nobody listens.
        Some(0) => 0,
        port => config::bindable(&args.host, port.unwrap_or(0)).map_err(config_error)?,
    };
    let https = args.https.map(|wanted| https(args, wanted, port)).transpose()?;
    let config = settings(args, port, https.as_ref().map(|(https, _)| https.clone()))?;
    let folder = Folder::new(&args.dir);
    folder.create(&config).map_err(config_error)?;
    if let Some((https, host)) = &https {
        https.make(&folder, host).map_err(config_error)?;
    }
    let key =
        |name: &str| Ok::<_, Failure>(SigningKey::from_seed(&folder.seed(name).map_err(config_error)?.0));
    let root = key("root")?;
    let did = Did::of(root.public());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let keys = KeySet {
        v: V1,
        iss: did,
        number: 1,
        signing: key("signing")?.public(),
        log: key("log")?.public(),
        transport: key("transport")?.public(),
        witness: key("witness")?.public(),
        valid_from: now,
        revoked: Vec::new(),
    };
    let bad = |what: &str| {
        Failure::new(Code::ConfigInvalid, format!("{what} is not a value that the protocol knows"))
    };
    let participant = Participant {
        v: V1,
        iss: did,
        name: args.name.clone(),
        country: Country::parse(&args.country).map_err(|_| bad("--country"))?,
        size: size(&args.size).ok_or_else(|| bad("--size"))?,
        roles: vec![Role::Consumer, Role::Provider],
        at: now,
    };
    let signed = |e: naru_protocol::jws::JwsError| Failure::new(e.code(), e.to_string());
    let statements = [
        ("keys-1.jws", sign_compact(&keys, 0, &root).map_err(signed)?),
        ("participant.jws", sign_compact(&participant, 0, &root).map_err(signed)?),
    ];
    for (name, jws) in statements {
        folder.keep_statement(name, &jws).map_err(config_error)?;
    }
    Ok(Made {
        did: did.to_string(),
        fingerprint: fingerprint(&did),
        port,
        https: https.map(|(https, _)| https.url),
    })
}

fn size(text: &str) -> Option<Size> {
    match text {
        "sme" => Some(Size::Sme),
        "mid" => Some(Size::Mid),
        "large" => Some(Size::Large),
        _ => None,
    }
}

/// The HTTPS door that was asked for, and the host of its certificate. `taken` is the port of the other door.
fn https(args: &Init, wanted: u16, taken: u16) -> Result<(Https, String), Failure> {
    let wrong = |why: &str| Failure::new(Code::ConfigInvalid, why);
    let error = |e: config::ConfigError| Failure::new(e.code(), e.to_string());
    let ip: IpAddr = args.host.parse().map_err(|_| wrong("--host is no IP address"))?;
    let host = match &args.https_host {
        Some(host) => host.clone(),
        None if ip.is_unspecified() => {
            return Err(wrong(
                "--https also needs --https-host NAME: the name or address under which others reach it",
            ));
        }
        None => args.host.clone(),
    };
    if wanted != 0 && wanted == taken {
        return Err(wrong("--https and --port name the same port"));
    }
    let mut port = config::bindable(&args.host, wanted).map_err(error)?;
    while port == taken {
        port = config::bindable(&args.host, 0).map_err(error)?;
    }
    let https = Https::of_init(SocketAddr::new(ip, port), &host);
    https.check().map_err(error)?;
    Ok((https, host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_https_door_that_nobody_could_find_is_refused_before_anything_is_made() {
        // NET-8.1
        let dir = std::env::temp_dir().join(format!("naru-init-{}", std::process::id()));
        let init = |host: &str, port, https, name: Option<&str>| Init {
            dir: dir.clone(),
            name: "firm".to_owned(),
            country: "KR".to_owned(),
            size: "sme".to_owned(),
            host: host.to_owned(),
            port,
            https: Some(https),
            https_host: name.map(str::to_owned),
            about: Vec::new(),
        };
        let said = |init: &Init| create(init).unwrap_err().message;
        assert!(said(&init("0.0.0.0", None, 0, None)).contains("--https-host"));
        assert!(said(&init("::", None, 0, None)).contains("--https-host"));
        for name in ["", "a b", "https://a", "a/b", "a:1"] {
            assert!(said(&init("0.0.0.0", None, 0, Some(name))).starts_with("https.url: "), "{name}");
        }
        let port = config::bindable("127.0.0.1", 0).unwrap();
        assert!(said(&init("127.0.0.1", Some(port), port, None)).contains("same port"));
        assert!(!dir.exists());
        let made = create(&init("0.0.0.0", Some(0), 0, Some("naru.example"))).unwrap();
        assert!(made.https.unwrap().starts_with("https://naru.example:"));
        let read = Folder::new(&dir).config().unwrap().https.unwrap();
        assert!(read.listen.ip().is_unspecified() && read.read(&Folder::new(&dir)).is_ok());
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn what_a_firm_says_of_itself_is_read_in_the_type_that_it_has() {
        // POL-10.11
        let said = |given: &[&str]| about(&given.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
        let about = said(&[
            "role=processor",
            "certifications=APEC_CBPR",
            "industry=[\"a\",\"b\"]",
            "dma_gatekeeper=false",
        ]);
        let due = json!({"certifications": ["APEC_CBPR"], "dma_gatekeeper": false, "industry": ["a", "b"], "role": "processor"});
        assert_eq!(Value::from(about.unwrap().declared()), due);
        for wrong in ["role", "role=owner", "colour=red", "dma_gatekeeper=no", "role=1"] {
            let failure = said(&[wrong]).unwrap_err();
            assert!(failure.message.contains(wrong.split('=').next().unwrap()), "{}", failure.message);
            assert_eq!(failure.code, Code::ArgumentInvalid.as_str());
        }
    }
}
