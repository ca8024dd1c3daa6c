//! Catalog messages (DSP 2025-1 catalog protocol; spec chapter 04).
//!
//! Shapes only. The listing that a dataset carries in its `dxp` member is verified elsewhere; filters are left to whoever
//! serves the catalog.

use alloc::{string::String, vec::Vec};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Value;

use super::{LIST, Message, MessageError, constant, list, odrl::Offer, optional, text};
use crate::{
    json::{self, V1},
    limits,
};

/// `CatalogRequestMessage`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct CatalogRequestMessage {
    /// Filter expressions in a form that the provider defines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filter: Vec<Value>,
}

impl Message for CatalogRequestMessage {
    const TYPE: &'static str = "CatalogRequestMessage";

    fn check(&self) -> Result<(), MessageError> {
        list("filter", &self.filter, LIST)
    }
}

/// `DatasetRequestMessage`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatasetRequestMessage {
    /// Identifier of the dataset.
    pub dataset: String,
}

impl Message for DatasetRequestMessage {
    const TYPE: &'static str = "DatasetRequestMessage";

    fn check(&self) -> Result<(), MessageError> {
        text("dataset", &self.dataset)
    }
}

/// `Catalog`, as the answer to a catalog request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Catalog {
    /// `@id`.
    #[serde(rename = "@id")]
    pub id: String,
    /// Whose catalog it is.
    pub participant_id: String,
    /// Services that distributions name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub service: Vec<DataService>,
    /// Datasets offered; the member is left out where there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dataset: Vec<Dataset>,
    /// Further catalogs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub catalog: Vec<NestedCatalog>,
    /// Where the catalog itself can be had.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub distribution: Vec<Distribution>,
    /// Refused: a catalog itself has no policy.
    #[serde(default, skip_serializing)]
    has_policy: Absent,
}

impl Catalog {
    /// A catalog without services and datasets yet.
    #[must_use]
    pub const fn new(id: String, participant_id: String) -> Self {
        Self {
            id,
            participant_id,
            service: Vec::new(),
            dataset: Vec::new(),
            catalog: Vec::new(),
            distribution: Vec::new(),
            has_policy: Absent,
        }
    }

    /// Reads a peer's catalog. A dataset that is malformed is left out and counted, the others stand (CAT-7.4).
    pub fn parse_each(bytes: &[u8]) -> Result<(Self, usize), MessageError> {
        let mut value = json::parse_lenient(bytes)?;
        let mut left_out = 0;
        if let Some(Value::Array(datasets)) = value.get_mut("dataset") {
            let all = datasets.len();
            datasets.retain(|dataset| {
                json::from_value::<Dataset>(dataset.clone()).is_ok_and(|dataset| dataset.check().is_ok())
            });
            left_out = all.saturating_sub(datasets.len());
        }
        Ok((Self::from_value(value)?, left_out))
    }
}

impl Message for Catalog {
    const TYPE: &'static str = "Catalog";

    fn check(&self) -> Result<(), MessageError> {
        text("@id", &self.id)?;
        text("participantId", &self.participant_id)?;
        check_parts(&self.service, &self.dataset, &self.catalog, &self.distribution)
    }
}

/// A catalog inside another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NestedCatalog {
    /// `@id`.
    #[serde(rename = "@id")]
    pub id: String,
    /// `@type`.
    #[serde(rename = "@type")]
    pub kind: CatalogType,
    /// Services that distributions name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub service: Vec<DataService>,
    /// Datasets offered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dataset: Vec<Dataset>,
    /// Further catalogs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub catalog: Vec<Self>,
    /// Where the catalog can be had.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub distribution: Vec<Distribution>,
    /// Refused: a catalog itself has no policy.
    #[serde(default, skip_serializing)]
    has_policy: Absent,
}

constant! {
    /// The `@type` of a nested catalog.
    CatalogType, "Catalog"
}
constant! {
    /// The `@type` of a dataset.
    DatasetType, "Dataset"
}
constant! {
    /// The `@type` of a distribution.
    DistributionType, "Distribution"
}
constant! {
    /// The `@type` of a data service.
    DataServiceType, "DataService"
}

/// A member that may not be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Absent;

impl<'de> Deserialize<'de> for Absent {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(de::Error::custom("a catalog has no hasPolicy"))
    }
}

fn check_parts(
    service: &[DataService],
    dataset: &[Dataset],
    catalog: &[NestedCatalog],
    distribution: &[Distribution],
) -> Result<(), MessageError> {
    list("service", service, LIST)?;
    list("dataset", dataset, LIST)?;
    list("catalog", catalog, LIST)?;
    list("distribution", distribution, LIST)?;
    service.iter().try_for_each(DataService::check)?;
    dataset.iter().try_for_each(Message::check)?;
    distribution.iter().try_for_each(Distribution::check)?;
    // Recursion is bounded by the nesting that the JSON parser takes.
    catalog.iter().try_for_each(|nested| {
        text("@id", &nested.id)?;
        check_parts(&nested.service, &nested.dataset, &nested.catalog, &nested.distribution)
    })
}

/// `Dataset`, in a catalog or as the answer to `GET /catalog/datasets/:id`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Dataset {
    /// `@id`.
    #[serde(rename = "@id")]
    pub id: String,
    /// `@type`, also where the dataset stands in a catalog.
    #[serde(rename = "@type", default)]
    pub kind: DatasetType,
    /// Offers without `target`, at least one.
    pub has_policy: Vec<Offer>,
    /// How it can be had, at least one.
    pub distribution: Vec<Distribution>,
    /// The profile's part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dxp: Option<DatasetMember>,
}

impl Message for Dataset {
    const TYPE: &'static str = "Dataset";

    fn check(&self) -> Result<(), MessageError> {
        text("@id", &self.id)?;
        if self.has_policy.is_empty() {
            return Err(MessageError::Missing("hasPolicy"));
        }
        if self.distribution.is_empty() {
            return Err(MessageError::Missing("distribution"));
        }
        list("hasPolicy", &self.has_policy, LIST)?;
        list("distribution", &self.distribution, LIST)?;
        offers_without_target(&self.has_policy)?;
        if let Some(dxp) = &self.dxp
            && dxp.listing.len() > limits::LISTING
        {
            return Err(MessageError::Text { member: "dxp.listing", limit: limits::LISTING });
        }
        self.distribution.iter().try_for_each(Distribution::check)
    }
}

fn offers_without_target(offers: &[Offer]) -> Result<(), MessageError> {
    if offers.iter().any(|offer| offer.target().is_some()) {
        return Err(super::odrl::PolicyError::Forbidden { pointer: "/target".into() }.into());
    }
    Ok(())
}

/// The profile's member of a dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatasetMember {
    /// Version.
    pub v: V1,
    /// The listing of the dataset version offered, as compact JWS.
    pub listing: String,
}

/// `Distribution`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Distribution {
    /// `@type`.
    #[serde(rename = "@type", default)]
    pub kind: DistributionType,
    /// How the data travel, such as `HttpData-PULL`.
    pub format: String,
    /// Where to ask.
    pub access_service: AccessService,
    /// Offers for this distribution only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub has_policy: Vec<Offer>,
}

impl Distribution {
    fn check(&self) -> Result<(), MessageError> {
        text("format", &self.format)?;
        list("hasPolicy", &self.has_policy, LIST)?;
        offers_without_target(&self.has_policy)?;
        match &self.access_service {
            AccessService::Id(id) => text("accessService", id),
            AccessService::Inline(service) => service.check(),
        }
    }
}

/// The service of a distribution: the identifier of one that the catalog lists, or the service itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccessService {
    /// Its `@id`.
    Id(String),
    /// The whole service.
    Inline(DataService),
}

impl Serialize for AccessService {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Id(id) => id.serialize(serializer),
            Self::Inline(service) => service.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for AccessService {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(id) => Ok(Self::Id(id)),
            other @ Value::Object(_) => {
                serde_json::from_value(other).map(Self::Inline).map_err(de::Error::custom)
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
                Err(de::Error::custom("accessService is an identifier or a DataService"))
            }
        }
    }
}

/// `DataService`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DataService {
    /// `@id`.
    #[serde(rename = "@id")]
    pub id: String,
    /// `@type`.
    #[serde(rename = "@type")]
    pub kind: DataServiceType,
    /// Base of the DSP endpoints.
    #[serde(rename = "endpointURL")]
    pub endpoint_url: String,
    /// What the service is, such as `dspace:connector`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint_description: Option<String>,
}

impl DataService {
    fn check(&self) -> Result<(), MessageError> {
        text("@id", &self.id)?;
        text("endpointURL", &self.endpoint_url)?;
        optional("endpointDescription", self.endpoint_description.as_ref())
    }
}

/// `CatalogError`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CatalogError {
    /// Stable code of the error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// What happened, for people.
    #[serde(default, deserialize_with = "super::reasons", skip_serializing_if = "Vec::is_empty")]
    pub reason: Vec<Value>,
}

impl Message for CatalogError {
    const TYPE: &'static str = "CatalogError";

    fn check(&self) -> Result<(), MessageError> {
        super::code_and_reason(self.code.as_ref(), &self.reason)
    }
}
