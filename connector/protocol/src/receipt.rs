//! The data receipt: the consumer's act that says which bytes it holds (spec chapter 07, TRF-9), and the capability
//! under which it read them (TRF-7).
//!
//! The receipt has no signature of its own: as an act it is signed by its token and logged by both sides. A capability is a
//! JWS of the provider that the consumer shows with every range.
//!
//! Whether a transfer is in a state in which a receipt is legal is the transfer machine's to say.

use alloc::string::String;

use serde::{Deserialize, Serialize};

use crate::{
    encoding::Digest,
    error::Code,
    identity::Did,
    json::{self, JsonError, V1},
    jws::{Payload, Typ},
    limits,
    listing::Summary,
    window::Transfer,
};

/// The member `@type` of a data receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReceiptType {
    /// The only one.
    DataReceipt,
}

/// Body of the act `data receipt` (TRF-9.1). Its members stand in the order of JCS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataReceipt {
    /// Always `DataReceipt`.
    #[serde(rename = "@type")]
    pub kind: ReceiptType,
    /// Digest of the agreement.
    pub agreement: Digest,
    /// When the last file was verified and durable, seconds since 1970.
    pub at: u64,
    /// Bytes of all files.
    pub bytes: u64,
    /// The consumer's id of the transfer process.
    #[serde(rename = "consumerPid")]
    pub consumer_pid: String,
    /// Content root of the dataset version.
    pub content_root: Digest,
    /// Number of files.
    pub files: u64,
    /// The provider's id of the transfer process.
    #[serde(rename = "providerPid")]
    pub provider_pid: String,
    /// Version of this shape.
    pub v: V1,
}

/// What a data receipt must say; all of it known before the transfer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// The consumer's id of the transfer process.
    pub consumer_pid: String,
    /// The provider's id of the transfer process.
    pub provider_pid: String,
    /// Digest of the agreement.
    pub agreement: Digest,
    /// Content root in the agreement's terms.
    pub content_root: Digest,
    /// Number of files in the listing's summary.
    pub files: u64,
    /// Bytes in the listing's summary.
    pub bytes: u64,
}

/// Why a data receipt is refused; each names the member that differs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadReceipt {
    /// Not the JSON of a data receipt.
    #[error("not a data receipt: {0}")]
    Json(#[from] JsonError),
    /// One of the two process ids is another's.
    #[error("the data receipt is of another transfer")]
    OtherTransfer,
    /// The digest of the agreement is another.
    #[error("the data receipt names another agreement")]
    OtherAgreement,
    /// The content root is another.
    #[error("the data receipt names another content root")]
    OtherContent,
    /// It counts other files or bytes than the listing.
    #[error("the data receipt counts {files} files and {bytes} bytes, the listing does not")]
    OtherCount {
        /// Files it counts.
        files: u64,
        /// Bytes it counts.
        bytes: u64,
    },
}

impl BadReceipt {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Json(error) => error.code(),
            Self::OtherTransfer | Self::OtherAgreement | Self::OtherContent | Self::OtherCount { .. } => {
                Code::ReceiptInvalid
            }
        }
    }
}

impl Expected {
    /// What the receipt must say of a dataset version with this content root and summary.
    #[must_use]
    pub const fn new(
        consumer_pid: String,
        provider_pid: String,
        agreement: Digest,
        content_root: Digest,
        summary: &Summary,
    ) -> Self {
        let (files, bytes) = (summary.files, summary.bytes);
        Self { consumer_pid, provider_pid, agreement, content_root, files, bytes }
    }
}

impl DataReceipt {
    /// The receipt that says what is expected.
    #[must_use]
    pub fn of(expected: &Expected, at: u64) -> Self {
        Self {
            kind: ReceiptType::DataReceipt,
            agreement: expected.agreement,
            at,
            bytes: expected.bytes,
            consumer_pid: expected.consumer_pid.clone(),
            content_root: expected.content_root,
            files: expected.files,
            provider_pid: expected.provider_pid.clone(),
            v: V1,
        }
    }

    /// Reads the content of the act. Unknown members are refused; canonical form is not demanded, for an act is signed
    /// over its bytes.
    pub fn parse(content: &[u8]) -> Result<Self, BadReceipt> {
        Ok(json::from_value(json::parse(content)?)?)
    }

    /// Whether it says what it must (TRF-9.3).
    pub fn check(&self, expected: &Expected) -> Result<(), BadReceipt> {
        if self.consumer_pid != expected.consumer_pid || self.provider_pid != expected.provider_pid {
            return Err(BadReceipt::OtherTransfer);
        }
        if self.agreement != expected.agreement {
            return Err(BadReceipt::OtherAgreement);
        }
        if self.content_root != expected.content_root {
            return Err(BadReceipt::OtherContent);
        }
        if self.files != expected.files || self.bytes != expected.bytes {
            return Err(BadReceipt::OtherCount { files: self.files, bytes: self.bytes });
        }
        Ok(())
    }
}

/// Payload of a capability, `dxp-capability+jws` (TRF-7.1). Its members stand in the order of JCS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Capability {
    /// Digest of the agreement.
    pub agreement: Digest,
    /// The consumer that may show it.
    pub aud: Did,
    /// First second at which it holds no more.
    pub exp: u64,
    /// The provider.
    pub iss: Did,
    /// The provider's id of the transfer process.
    pub transfer: String,
    /// Version of this shape.
    pub v: V1,
}

/// Why a capability does not open a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadCapability {
    /// It is of another transfer or agreement.
    #[error("the capability is of another transfer")]
    OtherTransfer,
    /// It was issued to or by another participant.
    #[error("the capability is another participant's")]
    OtherParty,
    /// Its time is over.
    #[error("the capability expired at {exp}")]
    Expired {
        /// When it expired.
        exp: u64,
    },
    /// It would live longer than a capability may.
    #[error("the capability lives longer than it may")]
    TooLong,
}

impl BadCapability {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Expired { .. } => Code::CapabilityExpired,
            Self::OtherTransfer | Self::OtherParty | Self::TooLong => Code::CapabilityInvalid,
        }
    }
}

impl Payload for Capability {
    const TYP: Typ = Typ::Capability;
    const LIMIT: usize = limits::CAPABILITY;
}

impl Capability {
    /// Whether it opens this transfer to this consumer now (TRF-7.3). The issuer is its own judge, so no skew is forgiven.
    pub fn check(&self, transfer: &Transfer, now: u64) -> Result<(), BadCapability> {
        if self.transfer != transfer.provider_pid || self.agreement != transfer.agreement {
            return Err(BadCapability::OtherTransfer);
        }
        if self.aud != transfer.consumer || self.iss != transfer.provider {
            return Err(BadCapability::OtherParty);
        }
        if now >= self.exp {
            return Err(BadCapability::Expired { exp: self.exp });
        }
        if self.exp - now > limits::CAPABILITY_SECONDS {
            return Err(BadCapability::TooLong);
        }
        Ok(())
    }
}
