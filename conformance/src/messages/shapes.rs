//! The tables: every type of message with its members.

use super::{ITEMS, Members, Shape};
use Shape::{
    Any, Base64, Bool, Constraint, Did, Digest, Either, Hashed, Integer, List, Nullable, Object, One,
    Operand, Reasons, Short, Text, Time, Whole, Word,
};

/// The logical operands of a constraint.
pub(super) const LOGICAL: &[&str] = &["and", "andSequence", "or", "xone"];
/// Members of a policy that hold rules.
pub(super) const RULES: &[&str] = &["permission", "prohibition", "obligation"];

const OPERATORS: &[&str] = &[
    "eq",
    "neq",
    "gt",
    "gteq",
    "lt",
    "lteq",
    "hasPart",
    "isA",
    "isAllOf",
    "isAnyOf",
    "isNoneOf",
    "isPartOf",
    "term-lteq",
];

pub(super) static COMPARISON: Members = Members {
    required: &[("leftOperand", Text), ("operator", Word(OPERATORS)), ("rightOperand", Operand)],
    optional: &[],
    forbidden: &["refinement"],
    closed: false,
};

static RULE: Members = Members {
    required: &[("action", Text)],
    optional: &[("constraint", List(&Constraint, 0, ITEMS, false))],
    forbidden: &[
        "target",
        "assigner",
        "assignee",
        "duty",
        "remedy",
        "consequence",
        "obligation",
        "refinement",
    ],
    closed: false,
};

const RULE_LIST: Shape = List(&Object(&RULE), 1, ITEMS, false);
const DUTY_LIST: Shape = List(&Object(&RULE), 0, ITEMS, false);

macro_rules! open {
    ($required:expr, $optional:expr) => {
        Members { required: $required, optional: $optional, forbidden: &[], closed: false }
    };
}

macro_rules! closed {
    ($required:expr) => {
        Members { required: $required, optional: &[], forbidden: &[], closed: true }
    };
}

const RULES_OF: &[(&str, Shape)] =
    &[("permission", RULE_LIST), ("prohibition", RULE_LIST), ("obligation", DUTY_LIST), ("profile", Any)];

/// An offer in a message names its dataset.
static OFFER: Members = open!(&[("@id", Text), ("@type", Word(&["Offer"])), ("target", Text)], RULES_OF);

/// An offer in a catalog does not.
static LISTED_OFFER: Members = Members {
    required: &[("@id", Text), ("@type", Word(&["Offer"]))],
    optional: RULES_OF,
    forbidden: &["target"],
    closed: false,
};

static AGREEMENT: Members = open!(
    &[
        ("@id", Text),
        ("@type", Word(&["Agreement"])),
        ("target", Text),
        ("assigner", Text),
        ("assignee", Text),
    ],
    &[
        ("timestamp", Time),
        ("permission", RULE_LIST),
        ("prohibition", RULE_LIST),
        ("obligation", DUTY_LIST),
        ("profile", Any),
    ]
);

static PARTY: Members = closed!(&[("did", Did), ("statement", Digest), ("keys", Integer(1))]);
static PACK: Members = closed!(&[("name", Text), ("digest", Digest)]);
static OBLIGATION: Members = closed!(&[
    ("id", Text),
    ("duty", Text),
    ("on", Word(&["provider", "consumer"])),
    ("after", Text),
    ("within", Nullable(&Integer(0))),
]);

static DELETION: Members = closed!(&[("files", Integer(0)), ("bytes", Integer(0)), ("unknown", Integer(0))]);
static ONWARD: Members = closed!(&[("to", Short(256)), ("country", Text), ("flow_down", Bool)]);

static TERMS: Members = closed!(&[
    ("v", One),
    ("provider", Object(&PARTY)),
    ("consumer", Object(&PARTY)),
    ("agreement", Whole(&AGREEMENT)),
    ("listing", Digest),
    ("content_root", Digest),
    ("packs", List(&Object(&PACK), 0, ITEMS, false)),
    ("shared", Hashed),
    ("lanes", List(&Text, 0, ITEMS, false)),
    ("obligations", List(&Object(&OBLIGATION), 0, ITEMS, false)),
    ("conclude_by", Integer(0)),
]);

static DECISION: Members = closed!(&[
    ("terms", Digest),
    ("side", Word(&["exporter", "importer"])),
    ("phase", Word(&["catalog", "negotiation", "transfer", "monitor"])),
    ("allow", Bool),
    ("result", Digest),
    ("input_shared", Digest),
    ("input_private", Digest),
    ("at", Integer(0)),
    ("by", Short(256)),
]);

static PROPOSAL: Members = closed!(&[
    ("v", One),
    ("key", Nullable(&Digest)),
    ("terms", Object(&TERMS)),
    ("decision", Object(&DECISION)),
]);

static SIGNATURE: Members = closed!(&[("protected", Base64), ("signature", Base64)]);
static JWS: Members =
    closed!(&[("payload", Base64), ("signatures", List(&Object(&SIGNATURE), 0, ITEMS, false))]);
static AGREED: Members = closed!(&[("v", One), ("terms", Digest), ("agreement", Object(&JWS))]);
static VERIFIED: Members = closed!(&[("v", One), ("signature", Object(&SIGNATURE))]);
static EVENT: Members = Members {
    required: &[("v", One)],
    optional: &[("terms", Digest), ("decision", Object(&DECISION)), ("agreement", Digest)],
    forbidden: &[],
    closed: true,
};
static CODE: Members = closed!(&[("v", One), ("code", Nullable(&Text))]);
static TRANSFER: Members =
    closed!(&[("v", One), ("key", Digest), ("agreement", Digest), ("decision", Object(&DECISION))]);
static START: Members = closed!(&[("v", One), ("decision", Object(&DECISION))]);
static LISTING: Members = closed!(&[("v", One), ("listing", Text)]);

static SERVICE: Members = open!(
    &[("@id", Text), ("@type", Word(&["DataService"])), ("endpointURL", Text)],
    &[("endpointDescription", Text)]
);
static DISTRIBUTION: Members = open!(
    &[
        ("@type", Word(&["Distribution"])),
        ("format", Text),
        ("accessService", Either(&Text, &Object(&SERVICE)))
    ],
    &[("hasPolicy", List(&Whole(&LISTED_OFFER), 1, ITEMS, false))]
);
const DATASET_REQUIRED: &[(&str, Shape)] = &[
    ("@id", Text),
    ("@type", Word(&["Dataset"])),
    ("hasPolicy", List(&Whole(&LISTED_OFFER), 1, ITEMS, false)),
    ("distribution", List(&Object(&DISTRIBUTION), 1, ITEMS, false)),
];
static DATASET: Members = open!(DATASET_REQUIRED, &[("dxp", Object(&LISTING))]);
static CATALOG: Members = Members {
    required: &[("@id", Text), ("@type", Word(&["Catalog"])), ("participantId", Text)],
    optional: &[
        ("service", List(&Object(&SERVICE), 0, ITEMS, false)),
        ("dataset", List(&Object(&DATASET), 1, ITEMS, false)),
        ("catalog", List(&Any, 0, ITEMS, false)),
        ("distribution", List(&Object(&DISTRIBUTION), 0, ITEMS, false)),
    ],
    forbidden: &["hasPolicy"],
    closed: false,
};

static ENDPOINT_PROPERTY: Members = open!(&[("name", Text), ("value", Text)], &[("@type", Text)]);
static DATA_ADDRESS: Members = open!(
    &[("@type", Word(&["DataAddress"])), ("endpointType", Text)],
    &[("endpoint", Text), ("endpointProperties", List(&Object(&ENDPOINT_PROPERTY), 0, ITEMS, false))]
);

static VERSION: Members = open!(
    &[("version", Text), ("path", Text), ("binding", Word(&["HTTPS"]))],
    &[("serviceId", Text), ("identifierType", Text), ("auth", Any)]
);

const REASON: (&str, Shape) = ("reason", Reasons);
const PIDS: &[(&str, Shape)] = &[("providerPid", Text), ("consumerPid", Text)];
const ERROR_PIDS: &[(&str, Shape)] = &[("providerPid", Short(2_048)), ("consumerPid", Short(2_048))];
const ENDED: &[(&str, Shape)] = &[("code", Text), REASON, ("dxp", Object(&CODE))];
const NEGOTIATION_STATES: &[&str] =
    &["REQUESTED", "OFFERED", "ACCEPTED", "AGREED", "VERIFIED", "FINALIZED", "TERMINATED"];
const TRANSFER_STATES: &[&str] = &["REQUESTED", "STARTED", "SUSPENDED", "COMPLETED", "TERMINATED"];

/// Every type that [`super::read`] knows.
pub(super) static TYPES: &[(&str, Members)] = &[
    ("CatalogRequestMessage", open!(&[], &[("filter", List(&Hashed, 0, ITEMS, false))])),
    ("DatasetRequestMessage", open!(&[("dataset", Text)], &[])),
    ("Dataset", open!(DATASET_REQUIRED, &[("dxp", Object(&LISTING))])),
    (
        "Catalog",
        Members {
            required: CATALOG.required,
            optional: CATALOG.optional,
            forbidden: &["hasPolicy"],
            closed: false,
        },
    ),
    ("CatalogError", open!(&[], &[("code", Text), REASON])),
    (
        "ContractRequestMessage",
        open!(
            &[("consumerPid", Text), ("offer", Whole(&OFFER))],
            &[("providerPid", Text), ("callbackAddress", Text), ("dxp", Object(&PROPOSAL))]
        ),
    ),
    (
        "ContractOfferMessage",
        open!(
            &[("providerPid", Text), ("offer", Whole(&OFFER))],
            &[("consumerPid", Text), ("callbackAddress", Text), ("dxp", Object(&PROPOSAL))]
        ),
    ),
    (
        "ContractAgreementMessage",
        open!(
            &[("providerPid", Text), ("consumerPid", Text), ("agreement", Whole(&AGREEMENT))],
            &[("dxp", Object(&AGREED))]
        ),
    ),
    ("ContractAgreementVerificationMessage", open!(PIDS, &[("dxp", Object(&VERIFIED))])),
    (
        "ContractNegotiationEventMessage",
        open!(
            &[("providerPid", Text), ("consumerPid", Text), ("eventType", Word(&["ACCEPTED", "FINALIZED"]))],
            &[("dxp", Object(&EVENT))]
        ),
    ),
    ("ContractNegotiationTerminationMessage", open!(PIDS, ENDED)),
    (
        "ContractNegotiation",
        open!(&[("providerPid", Text), ("consumerPid", Text), ("state", Word(NEGOTIATION_STATES))], &[]),
    ),
    ("ContractNegotiationError", open!(ERROR_PIDS, &[("code", Text), REASON])),
    (
        "TransferRequestMessage",
        open!(
            &[("consumerPid", Text), ("agreementId", Text), ("format", Text), ("callbackAddress", Text)],
            &[("dataAddress", Object(&DATA_ADDRESS)), ("dxp", Object(&TRANSFER))]
        ),
    ),
    ("TransferStartMessage", open!(PIDS, &[("dataAddress", Object(&DATA_ADDRESS)), ("dxp", Object(&START))])),
    ("TransferSuspensionMessage", open!(PIDS, ENDED)),
    ("TransferCompletionMessage", open!(PIDS, &[("dxp", Object(&CODE))])),
    ("TransferTerminationMessage", open!(PIDS, ENDED)),
    (
        "TransferProcess",
        open!(&[("providerPid", Text), ("consumerPid", Text), ("state", Word(TRANSFER_STATES))], &[]),
    ),
    ("TransferError", open!(ERROR_PIDS, &[("code", Text), REASON])),
    (
        "End",
        closed!(&[
            ("@type", Word(&["End"])),
            ("v", One),
            ("providerPid", Text),
            ("consumerPid", Text),
            ("agreement", Digest),
            ("code", Text),
            ("reason", Short(1_024)),
        ]),
    ),
    (
        "Report",
        closed!(&[
            ("@type", Word(&["Report"])),
            ("v", One),
            ("providerPid", Text),
            ("consumerPid", Text),
            ("agreement", Digest),
            ("kind", Word(&["deletion", "report", "notice", "onward-transfer"])),
            ("obligation", Nullable(&Object(&OBLIGATION))),
            ("event", Nullable(&Text)),
            ("happened", Nullable(&Integer(0))),
            ("at", Integer(0)),
            ("text", Short(1_024)),
            ("evidence", Nullable(&Digest)),
            ("deletion", Nullable(&Object(&DELETION))),
            ("onward", Nullable(&Object(&ONWARD))),
        ]),
    ),
    (
        "DataReceipt",
        closed!(&[
            ("@type", Word(&["DataReceipt"])),
            ("v", One),
            ("consumerPid", Text),
            ("providerPid", Text),
            ("agreement", Digest),
            ("content_root", Digest),
            ("files", Integer(0)),
            ("bytes", Integer(0)),
            ("at", Integer(0)),
        ]),
    ),
    ("VersionResponse", open!(&[("protocolVersions", List(&Object(&VERSION), 0, ITEMS, false))], &[])),
];
