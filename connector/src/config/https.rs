//! The table `[https]` of `naru.toml`: where the HTTPS door listens, how others reach it, what it shows (spec chapter 10,
//! NET-8.1). Reads the two files, and makes them at `init`. Does not listen.

use std::{
    fs,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use naru_protocol::{encoding::Digest, ticket::Address};
use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};

use super::{ConfigError, Folder, documented::documented, write_file, write_secret};

/// Seconds of a year of the calendar.
const YEAR: u64 = 31_556_952;
/// Years that a self-signed certificate is good for.
const YEARS: u64 = 10;

documented! {
    /// Where others reach this node by HTTPS. Relative paths are below the node's folder.
    pub struct Https {
        /// The address and port to bind.
        listen: SocketAddr = "\"0.0.0.0:4443\"";
        /// `https://host[:port]` as others reach it, without a slash at its end.
        url: String = "\"https://naru.example:4443\"";
        /// The certificate and, behind it, those that vouch for it, as PEM.
        certificate: PathBuf = "\"https/cert.pem\"" default;
        /// The key of the certificate, as PEM.
        key: PathBuf = "\"https/key.pem\"" default;
    }
}

/// What the door shows.
#[derive(Debug)]
pub struct Shown {
    /// The chain, the own certificate first.
    pub chain: Vec<CertificateDer<'static>>,
    /// The key of the own certificate.
    pub key: PrivateKeyDer<'static>,
    /// Where others reach the door, with the certificate's digest if nobody but itself vouches for it (ID-8.8).
    pub address: Address,
}

impl Https {
    /// A self-signed door at this port, as `init` makes it.
    #[must_use]
    pub fn of_init(listen: SocketAddr, host: &str) -> Self {
        let host =
            if host.parse::<std::net::Ipv6Addr>().is_ok() { format!("[{host}]") } else { host.to_owned() };
        Self {
            listen,
            url: format!("https://{host}:{}", listen.port()),
            certificate: "https/cert.pem".into(),
            key: "https/key.pem".into(),
        }
    }

    /// Whether the URL is one that others can use.
    pub fn check(&self) -> Result<(), ConfigError> {
        match Address::of_https(&self.url, None) {
            Ok(_) => Ok(()),
            Err(_) => Err(ConfigError::Value {
                field: "https.url",
                reason: format!(
                    "{:?} is not https://host or https://host:port, without a path or a slash",
                    self.url
                ),
            }),
        }
    }

    /// Reads certificate and key.
    pub fn read(&self, folder: &Folder) -> Result<Shown, ConfigError> {
        let place = |path: &Path| folder.path().join(path);
        let (certificate, key) = (place(&self.certificate), place(&self.key));
        let chain = CertificateDer::pem_slice_iter(&bytes(&certificate)?)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|e| wrong(&certificate, format!("not PEM: {e}")))?;
        let own = chain.first().ok_or_else(|| wrong(&certificate, "holds no certificate (PEM)"))?;
        let pin = is_self_signed(own).map_err(|reason| wrong(&certificate, reason))?.then(|| Digest::of(own));
        let key = PrivateKeyDer::from_pem_slice(&bytes(&key)?)
            .map_err(|_| wrong(&key, "holds no private key (PEM, not encrypted)"))?;
        let address = Address::of_https(&self.url, pin)
            .map_err(|_| ConfigError::Value { field: "https.url", reason: "too long".to_owned() })?;
        Ok(Shown { chain, key, address })
    }

    /// Makes a key and a self-signed certificate for a host where this table says that they are.
    pub fn make(&self, folder: &Folder, host: &str) -> Result<(), ConfigError> {
        let (certificate, key) = (folder.path().join(&self.certificate), folder.path().join(&self.key));
        let failed = |e: rcgen::Error| wrong(&certificate, format!("cannot be made: {e}"));
        for path in [&certificate, &key] {
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)
                    .map_err(|source| ConfigError::Io { path: parent.to_owned(), source })?;
            }
        }
        let pair = KeyPair::generate().map_err(failed)?;
        let made = params(host).and_then(|params| params.self_signed(&pair)).map_err(failed)?;
        write_secret(&key, &pair.serialize_pem())?;
        write_file(&certificate, made.pem().as_bytes())
    }
}

/// ECDSA on P-256, for a server and for a client.
fn params(host: &str) -> Result<CertificateParams, rcgen::Error> {
    let mut names = vec![host.to_owned()];
    if host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback()) {
        let own = ["127.0.0.1", "::1", "localhost"].into_iter().filter(|name| *name != host);
        names.extend(own.map(str::to_owned));
    }
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, host);
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    let year = 1970 + SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs()) / YEAR;
    let first_of = |year: u64| date_time_ymd(i32::try_from(year).unwrap_or(i32::MAX), 1, 1);
    // Clocks differ, and a year begins earlier elsewhere.
    (params.not_before, params.not_after) = (first_of(year - 1), first_of(year + YEARS));
    Ok(params)
}

fn bytes(path: &Path) -> Result<Vec<u8>, ConfigError> {
    fs::read(path).map_err(|source| ConfigError::Io { path: path.to_owned(), source })
}

fn wrong(path: &Path, reason: impl Into<String>) -> ConfigError {
    ConfigError::Toml { path: path.to_owned(), reason: reason.into() }
}

/// Whether a certificate names itself as who vouches for it.
fn is_self_signed(certificate: &CertificateDer<'_>) -> Result<bool, String> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate)
        .map_err(|e| format!("its first certificate cannot be read: {e}"))?;
    Ok(parsed.issuer() == parsed.subject())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(host: &str) -> (Https, Folder) {
        let dir = std::env::temp_dir().join(format!("naru-https-{}-{host}", std::process::id()));
        let folder = Folder::new(dir);
        let https = Https::of_init("127.0.0.1:4443".parse().unwrap(), host);
        https.make(&folder, host).unwrap();
        (https, folder)
    }

    #[test]
    fn what_is_made_is_read_and_pinned_and_its_key_is_private() {
        // NET-8.1, ID-8.8
        for host in ["127.0.0.1", "naru.example", "2400::1"] {
            let (https, folder) = made(host);
            https.check().unwrap();
            let shown = https.read(&folder).unwrap();
            let door = shown.address.https().unwrap();
            assert_eq!((door.url, door.certificate), (https.url.as_str(), Some(Digest::of(&shown.chain[0]))));
            #[cfg(unix)]
            {
                use std::os::unix::fs::PermissionsExt as _;
                let mode = fs::metadata(folder.join("https/key.pem")).unwrap().permissions().mode();
                assert_eq!(mode & 0o777, 0o600);
            }
            let (_, parsed) = x509_parser::parse_x509_certificate(&shown.chain[0]).unwrap();
            assert!(parsed.validity().is_valid());
            let names = parsed.subject_alternative_name().unwrap().unwrap();
            assert_eq!(names.value.general_names.len(), if host == "127.0.0.1" { 3 } else { 1 });
            fs::remove_dir_all(folder.path()).unwrap();
        }
    }

    #[test]
    fn files_that_cannot_be_used_are_named() {
        // NET-8.1
        let (https, folder) = made("localhost");
        let said = |https: &Https| https.read(&folder).unwrap_err().to_string();
        let swapped =
            Https { certificate: https.key.clone(), key: https.certificate.clone(), ..https.clone() };
        assert!(said(&swapped).contains("https/key.pem: holds no certificate"), "{}", said(&swapped));
        let no_key = Https { key: https.certificate.clone(), ..https.clone() };
        assert!(said(&no_key).contains("https/cert.pem: holds no private key"), "{}", said(&no_key));
        let missing = Https { key: "nowhere.pem".into(), ..https.clone() };
        assert!(said(&missing).contains("nowhere.pem"), "{}", said(&missing));
        let pem = fs::read_to_string(folder.join("https/cert.pem")).unwrap();
        fs::write(folder.join("https/cert.pem"), pem.replacen("MII", "AAA", 1)).unwrap();
        assert!(said(&https).contains("cert.pem: "), "{}", said(&https));
        for url in ["http://a", "https://a/", "https://a/x", "a:1", "https://a/#sha256=x"] {
            let error = Https { url: url.into(), ..https.clone() }.check().unwrap_err().to_string();
            assert!(error.starts_with("https.url: "), "{error}");
        }
        fs::remove_dir_all(folder.path()).unwrap();
    }
}
