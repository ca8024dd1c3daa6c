//! The messages of the Dataspace Protocol 2025-1 in compact JSON, with the profile's `dxp` members (spec chapters 04, 06, 07).
//!
//! A message is its members only: [`Message::parse`] checks `@context` and `@type` and removes them, [`Message::to_bytes`]
//! writes them. Contexts are names, never fetched, and JSON-LD is not processed: what is not in compact form is refused.
//! Members that the types do not know are dropped, so a peer may add its own; inside `dxp` nothing unknown is taken.
//! Which message is legal now is decided by [`crate::exchange`], what it proves by [`crate::agreement`].

use alloc::{
    string::{String, ToString},
    vec::Vec,
};

use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    error::Code,
    json::{self, JsonError},
};

pub mod catalog;
pub mod datetime;
pub mod negotiation;
pub mod odrl;
pub mod transfer;

/// The context that every message names (DSP 2025-1, `context-schema.json`).
pub const CONTEXT: &str = "https://w3id.org/dspace/2025/1/context.jsonld";

/// Bytes of one identifier, address, action or operand in a message.
pub const TEXT: usize = 2048;
/// Items of one list in a message (rules, constraints, distributions, endpoint properties).
pub const LIST: usize = 1024;
/// Items of `reason`.
pub const REASONS: usize = 16;
/// Names in `@context`.
const CONTEXTS: usize = 16;

/// Why bytes are not the message that their place demands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// Not an acceptable JSON document, or of another shape.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// JSON, but no object.
    #[error("a message is a JSON object")]
    NotAnObject,
    /// `@context` is missing, is no array of strings or does not hold [`CONTEXT`].
    #[error("@context is not an array of strings with {CONTEXT}")]
    Context,
    /// `@type` is missing or another.
    #[error("@type is not {expected}")]
    Type {
        /// The only type taken here.
        expected: &'static str,
    },
    /// A text that is empty.
    #[error("{0} is empty")]
    Empty(&'static str),
    /// A text that is longer than its limit.
    #[error("{member} is longer than {limit} bytes")]
    Text {
        /// The member.
        member: &'static str,
        /// Bytes allowed.
        limit: usize,
    },
    /// A list that is longer than its limit.
    #[error("{member} has more than {limit} items")]
    List {
        /// The member.
        member: &'static str,
        /// Items allowed.
        limit: usize,
    },
    /// Members that exclude each other, or one of a pair missing.
    #[error("exactly one of {first} and {second} is demanded")]
    OneOf {
        /// The first of the pair.
        first: &'static str,
        /// The second.
        second: &'static str,
    },
    /// A member that this message must have here.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A member that a message of this kind must not have.
    #[error("{0} does not belong here")]
    Misplaced(&'static str),
    /// A policy that is not of the shape of `contract-schema.json`.
    #[error(transparent)]
    Policy(#[from] odrl::PolicyError),
}

impl MessageError {
    /// The stable code of this error.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Json(error) => error.code(),
            Self::NotAnObject
            | Self::Context
            | Self::Type { .. }
            | Self::Empty(_)
            | Self::OneOf { .. }
            | Self::Missing(_)
            | Self::Misplaced(_)
            | Self::Policy(_) => Code::Malformed,
            Self::Text { .. } | Self::List { .. } => Code::TooLarge,
        }
    }
}

/// Members whose numbers are those of ENC-3.5 to any depth, whatever else stands in them: they are written or hashed as they
/// were read.
const HASHED: [&str; 4] = ["filter", "offer", "agreement", "hasPolicy"];

/// One message, answer or error body of DSP, or one of the profile's own.
pub trait Message: Serialize + DeserializeOwned {
    /// The value of `@type`.
    const TYPE: &'static str;

    /// What the shape alone does not say: lengths, exclusive members, members that the prose demands.
    fn check(&self) -> Result<(), MessageError>;

    /// Reads the content bytes of a message (DSP 2025-1 compact form).
    fn parse(bytes: &[u8]) -> Result<Self, MessageError> {
        Self::from_value(json::parse_lenient(bytes)?)
    }

    /// Reads a message from its JSON value.
    fn from_value(value: Value) -> Result<Self, MessageError> {
        let Value::Object(mut members) = value else { return Err(MessageError::NotAnObject) };
        check_context(members.remove("@context").as_ref())?;
        match members.remove("@type") {
            Some(Value::String(found)) if found == Self::TYPE => {}
            Some(_) | None => return Err(MessageError::Type { expected: Self::TYPE }),
        }
        HASHED.iter().filter_map(|name| members.get(*name)).try_for_each(json::integers)?;
        let message: Self = json::from_value(Value::Object(members))?;
        message.check()?;
        Ok(message)
    }

    /// The value with `@context` and `@type`.
    fn to_value(&self) -> Result<Value, MessageError> {
        self.check()?;
        let Ok(Value::Object(mut members)) = serde_json::to_value(self) else {
            return Err(MessageError::NotAnObject);
        };
        members.insert("@context".to_string(), Value::Array(Vec::from([Value::from(CONTEXT)])));
        members.insert("@type".to_string(), Value::from(Self::TYPE));
        Ok(Value::Object(members))
    }

    /// The canonical bytes: the same message is always the same bytes.
    fn to_bytes(&self) -> Result<Vec<u8>, MessageError> {
        Ok(json::canonical(&self.to_value()?)?)
    }
}

/// The `@type` of a document, for places where several messages may stand; `None` if it is no JSON object with one.
#[must_use]
pub fn type_of(bytes: &[u8]) -> Option<String> {
    let value = json::parse_lenient(bytes).ok()?;
    value.get("@type")?.as_str().map(ToString::to_string)
}

fn check_context(context: Option<&Value>) -> Result<(), MessageError> {
    let names = context.and_then(Value::as_array).ok_or(MessageError::Context)?;
    let texts = names.iter().all(Value::is_string) && names.len() <= CONTEXTS;
    if texts && names.iter().any(|name| name == CONTEXT) { Ok(()) } else { Err(MessageError::Context) }
}

/// A text of 1 to [`TEXT`] bytes.
pub(crate) fn text(member: &'static str, value: &str) -> Result<(), MessageError> {
    if value.is_empty() {
        return Err(MessageError::Empty(member));
    }
    if value.len() > TEXT { Err(MessageError::Text { member, limit: TEXT }) } else { Ok(()) }
}

/// The same where the member may be missing.
pub(crate) fn optional(member: &'static str, value: Option<&String>) -> Result<(), MessageError> {
    value.map_or(Ok(()), |value| text(member, value))
}

/// A list of at most `limit` items.
pub(crate) const fn list<T>(member: &'static str, items: &[T], limit: usize) -> Result<(), MessageError> {
    if items.len() > limit { Err(MessageError::List { member, limit }) } else { Ok(()) }
}

/// Both pids of a message.
pub(crate) fn pids(provider: &str, consumer: &str) -> Result<(), MessageError> {
    text("providerPid", provider)?;
    text("consumerPid", consumer)
}

/// Members `code` and `reason`, which several messages and all errors share; each reason may be any JSON.
pub(crate) fn code_and_reason(code: Option<&String>, reason: &[Value]) -> Result<(), MessageError> {
    optional("code", code)?;
    list("reason", reason, REASONS)
}

/// For `deserialize_with` of `reason`: an item with a number that has no canonical form is left out. An end is an end, whatever
/// else the peer says of it.
pub(crate) fn reasons<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<Value>, D::Error> {
    let mut reasons = Vec::<Value>::deserialize(d)?;
    reasons.retain(|reason| json::integers(reason).is_ok());
    Ok(reasons)
}

/// For `deserialize_with`: the member must be there, and may be null (absent and null are not the same in `dxp`).
pub(crate) fn nullable<'de, T: Deserialize<'de>, D: Deserializer<'de>>(d: D) -> Result<Option<T>, D::Error> {
    Option::deserialize(d)
}

/// Serde of a text that has one value only, such as the `@type` of a nested object.
macro_rules! constant {
    ($(#[$doc:meta])* $name:ident, $text:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub struct $name;

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str($text)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let found = <alloc::string::String as serde::Deserialize>::deserialize(deserializer)?;
                if found == $text {
                    Ok(Self)
                } else {
                    Err(serde::de::Error::custom(concat!("@type is not ", $text)))
                }
            }
        }
    };
}
pub(crate) use constant;

/// The answer to `GET /.well-known/dspace-version`: plain JSON without context or type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VersionResponse {
    /// The versions served, at least one.
    pub protocol_versions: Vec<Version>,
}

/// One version of DSP at one base path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Version {
    /// Such as `2025-1`.
    pub version: String,
    /// Base path under the root that served the document.
    pub path: String,
    /// Always `HTTPS`.
    pub binding: Https,
    /// Names one service over several versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_id: Option<String>,
    /// Kind of participant identifiers, such as `did:key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identifier_type: Option<String>,
    /// How requests are authenticated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,
}

constant! {
    /// The only binding of DSP 2025-1.
    Https, "HTTPS"
}

/// Authentication protocol of a [`Version`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Auth {
    /// Its name.
    pub protocol: String,
    /// Its version.
    pub version: String,
    /// Its profiles.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub profile: Vec<String>,
}

impl VersionResponse {
    /// Reads the document.
    pub fn parse(bytes: &[u8]) -> Result<Self, MessageError> {
        let response: Self = json::from_value(json::parse_lenient(bytes)?)?;
        response.check()?;
        Ok(response)
    }

    /// The canonical bytes.
    pub fn to_bytes(&self) -> Result<Vec<u8>, MessageError> {
        self.check()?;
        Ok(json::to_canonical(self)?)
    }

    /// Refuses an empty list and texts beyond their limits.
    pub fn check(&self) -> Result<(), MessageError> {
        if self.protocol_versions.is_empty() {
            return Err(MessageError::Missing("protocolVersions"));
        }
        list("protocolVersions", &self.protocol_versions, LIST)?;
        self.protocol_versions.iter().try_for_each(|version| {
            text("version", &version.version)?;
            text("path", &version.path)
        })
    }
}

/// Reads a message of the profile's own: `@type` without `@context`, integers only, nothing unknown.
pub(crate) fn parse_own<T: DeserializeOwned>(
    bytes: &[u8],
    expected: &'static str,
) -> Result<T, MessageError> {
    let Value::Object(mut members) = json::parse(bytes)? else { return Err(MessageError::NotAnObject) };
    match members.remove("@type") {
        Some(Value::String(found)) if found == expected => {}
        Some(_) | None => return Err(MessageError::Type { expected }),
    }
    Ok(json::from_value(Value::Object(members))?)
}

/// The canonical bytes of a message of the profile's own.
pub(crate) fn own_to_bytes<T: Serialize>(message: &T, kind: &'static str) -> Result<Vec<u8>, MessageError> {
    match serde_json::to_value(message) {
        Ok(Value::Object(mut members)) => {
            members.insert("@type".to_string(), Value::from(kind));
            Ok(json::canonical(&Value::Object(members))?)
        }
        Ok(_) | Err(_) => Err(MessageError::NotAnObject),
    }
}

/// An ERROR body of DSP: `providerPid` and `consumerPid` stay empty where the peer gave none.
macro_rules! error_body {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        pub struct $name {
            /// The provider's pid; empty if unknown.
            #[serde(default)]
            pub provider_pid: alloc::string::String,
            /// The consumer's pid; empty if unknown.
            #[serde(default)]
            pub consumer_pid: alloc::string::String,
            /// Stable code of the error.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub code: Option<alloc::string::String>,
            /// What happened, for people; DSP leaves the items open.
            #[serde(default, deserialize_with = "crate::dsp::reasons", skip_serializing_if = "alloc::vec::Vec::is_empty")]
            pub reason: alloc::vec::Vec<serde_json::Value>,
        }

        impl $crate::dsp::Message for $name {
            const TYPE: &'static str = stringify!($name);

            fn check(&self) -> Result<(), $crate::dsp::MessageError> {
                $crate::dsp::code_and_reason(self.code.as_ref(), &self.reason)
            }
        }
    };
}
pub(crate) use error_body;
