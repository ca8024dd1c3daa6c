//! Transfer process messages (DSP 2025-1; spec chapter 07, TRF-2), the profile's `dxp` members in them.
//! The data receipt is [`crate::receipt`].
//!
//! Shapes only: which message is legal now is [`crate::exchange`].

use alloc::{string::String, vec::Vec};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    LIST, Message, MessageError, code_and_reason, constant, error_body, list, negotiation::CodeMember,
    nullable, optional, pids, text,
};
use crate::{encoding::Digest, json::V1, terms::Decision, transfer::State};

/// `DataAddress`: where a plain peer fetches or puts the data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DataAddress {
    /// `@type`.
    #[serde(rename = "@type")]
    pub kind: DataAddressType,
    /// Kind of endpoint.
    pub endpoint_type: String,
    /// Its address; some peers give it as a property only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Names and values, such as `authorization`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub endpoint_properties: Vec<EndpointProperty>,
}

constant! {
    /// The `@type` of a data address.
    DataAddressType, "DataAddress"
}
constant! {
    /// The `@type` of an endpoint property.
    EndpointPropertyType, "EndpointProperty"
}

/// Longest value of an endpoint property in bytes: it may hold a token.
const PROPERTY: usize = 16 * 1024;

/// One name and value of a [`DataAddress`]. The value may be a secret, so `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointProperty {
    /// `@type`.
    #[serde(rename = "@type")]
    pub kind: EndpointPropertyType,
    /// Name, in the short or the full form.
    pub name: String,
    /// Value.
    pub value: String,
}

impl core::fmt::Debug for EndpointProperty {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("EndpointProperty").field("name", &self.name).finish_non_exhaustive()
    }
}

impl DataAddress {
    fn check(address: Option<&Self>) -> Result<(), MessageError> {
        let Some(address) = address else { return Ok(()) };
        text("endpointType", &address.endpoint_type)?;
        optional("endpoint", address.endpoint.as_ref())?;
        list("endpointProperties", &address.endpoint_properties, LIST)?;
        address.endpoint_properties.iter().try_for_each(|property| {
            text("name", &property.name)?;
            if property.value.len() > PROPERTY {
                return Err(MessageError::Text { member: "value", limit: PROPERTY });
            }
            Ok(())
        })
    }
}

/// The profile's member of a transfer request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransferRequestMember {
    /// Version.
    pub v: V1,
    /// Digest of the exchange key of this transfer.
    #[serde(deserialize_with = "nullable")]
    pub key: Option<Digest>,
    /// Digest of the agreement's payload bytes.
    pub agreement: Digest,
    /// The consumer's decision on this transfer.
    pub decision: Decision,
}

/// `TransferRequestMessage`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TransferRequestMessage {
    /// The consumer's pid.
    pub consumer_pid: String,
    /// `@id` of the DSP agreement.
    pub agreement_id: String,
    /// How the data travel.
    pub format: String,
    /// Where to put the data, in a push to a plain peer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_address: Option<DataAddress>,
    /// Where the consumer is reached.
    pub callback_address: String,
    /// The profile's part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dxp: Option<TransferRequestMember>,
}

impl Message for TransferRequestMessage {
    const TYPE: &'static str = "TransferRequestMessage";

    fn check(&self) -> Result<(), MessageError> {
        text("consumerPid", &self.consumer_pid)?;
        text("agreementId", &self.agreement_id)?;
        text("format", &self.format)?;
        text("callbackAddress", &self.callback_address)?;
        DataAddress::check(self.data_address.as_ref())
    }
}

/// The profile's member of a start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StartMember {
    /// Version.
    pub v: V1,
    /// The sender's decision on this transfer.
    pub decision: Decision,
}

/// `TransferStartMessage`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TransferStartMessage {
    /// The provider's pid.
    pub provider_pid: String,
    /// The consumer's pid.
    pub consumer_pid: String,
    /// Where to fetch the data, in a pull by a plain peer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_address: Option<DataAddress>,
    /// The profile's part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dxp: Option<StartMember>,
}

impl Message for TransferStartMessage {
    const TYPE: &'static str = "TransferStartMessage";

    fn check(&self) -> Result<(), MessageError> {
        pids(&self.provider_pid, &self.consumer_pid)?;
        DataAddress::check(self.data_address.as_ref())
    }
}

macro_rules! with_code {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "camelCase")]
        pub struct $name {
            /// The provider's pid.
            pub provider_pid: String,
            /// The consumer's pid.
            pub consumer_pid: String,
            /// Why, for programs.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub code: Option<String>,
            /// Why, for people.
            #[serde(default, deserialize_with = "super::reasons", skip_serializing_if = "Vec::is_empty")]
            pub reason: Vec<Value>,
            /// The profile's part.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub dxp: Option<CodeMember>,
        }

        impl Message for $name {
            const TYPE: &'static str = stringify!($name);

            fn check(&self) -> Result<(), MessageError> {
                pids(&self.provider_pid, &self.consumer_pid)?;
                code_and_reason(self.code.as_ref(), &self.reason)?;
                CodeMember::check(self.dxp.as_ref())
            }
        }
    };
}
with_code! {
    /// `TransferSuspensionMessage`.
    TransferSuspensionMessage
}
with_code! {
    /// `TransferTerminationMessage`.
    TransferTerminationMessage
}

/// `TransferCompletionMessage`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TransferCompletionMessage {
    /// The provider's pid.
    pub provider_pid: String,
    /// The consumer's pid.
    pub consumer_pid: String,
    /// The profile's part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dxp: Option<CodeMember>,
}

impl Message for TransferCompletionMessage {
    const TYPE: &'static str = "TransferCompletionMessage";

    fn check(&self) -> Result<(), MessageError> {
        pids(&self.provider_pid, &self.consumer_pid)?;
        CodeMember::check(self.dxp.as_ref())
    }
}

/// `TransferProcess`: the answer to a transfer request and to a GET.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TransferProcess {
    /// The provider's pid.
    pub provider_pid: String,
    /// The consumer's pid.
    pub consumer_pid: String,
    /// Where it stands.
    pub state: State,
}

impl Message for TransferProcess {
    const TYPE: &'static str = "TransferProcess";

    fn check(&self) -> Result<(), MessageError> {
        pids(&self.provider_pid, &self.consumer_pid)
    }
}

error_body! {
    /// `TransferError`.
    TransferError
}
