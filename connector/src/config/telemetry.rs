//! The table `[telemetry]` of `naru.toml`: the collector of OpenTelemetry that hears what this node is at. Reads and checks values. Sends
//! nothing.

use hyper::Uri;

use super::{ConfigError, documented::documented};

documented! {
    /// What this node is at, as spans of OpenTelemetry to a collector of your own: steps of deals, requests, transfers, with the id of the
    /// exchange. Nothing is sent without `otlp`. A collector that is away slows nothing down.
    #[derive(Default)]
    pub struct Telemetry {
        /// `http://host:port` or `https://…` of the collector, which takes OTLP as JSON by HTTP at `/v1/traces` below it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        otlp: Option<String> = "\"http://127.0.0.1:4318\"" optional;
        /// The name of the service in the spans; the firm's name if left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        service: Option<String> = "\"naru-seoul\"" optional;
    }
}

impl Telemetry {
    /// Where spans are posted to, if anywhere.
    #[must_use]
    pub fn traces(&self) -> Option<String> {
        Some(format!("{}/v1/traces", self.otlp.as_deref()?.trim_end_matches('/')))
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let value = |field, reason: &str| Err(ConfigError::Value { field, reason: reason.to_owned() });
        if let Some(url) = &self.otlp {
            let read = url.parse::<Uri>().ok();
            let fits = read.is_some_and(|uri| {
                matches!(uri.scheme_str(), Some("http" | "https"))
                    && uri.authority().is_some_and(|at| !at.as_str().contains('@'))
                    && uri.query().is_none()
            });
            if !fits {
                return value(
                    "telemetry.otlp",
                    "must be http://host:port or https://host:port, without credentials",
                );
            }
        }
        if self.service.as_deref().is_some_and(|name| name.trim().is_empty()) {
            return value("telemetry.service", "must not be empty");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_is_a_url_without_credentials() {
        let read = |text: &str| toml::from_str::<Telemetry>(text).unwrap();
        assert_eq!(read("").traces(), None);
        for url in ["http://127.0.0.1:4318", "http://127.0.0.1:4318/"] {
            let of = read(&format!("otlp = {url:?}"));
            assert!(of.check().is_ok());
            assert_eq!(of.traces().as_deref(), Some("http://127.0.0.1:4318/v1/traces"));
        }
        for wrong in ["127.0.0.1:4318", "grpc://a:4317", "http://u:geheim@a:4318", "http://a:4318/?x=1", ""] {
            let said = read(&format!("otlp = {wrong:?}")).check().unwrap_err().to_string();
            assert!(said.starts_with("telemetry.otlp") && !said.contains("geheim"), "{said}");
        }
        assert!(read("service = \" \"").check().is_err());
    }
}
