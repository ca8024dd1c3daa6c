//! Names as they are written and as they are meant: prefixes and IRIs cut, the operands of Catena-X, EDC and IDS under the
//! name that the module knows (ODR-1.4). A name that is not known stays as it is: the module does not decide it.

/// What stands before a name of these vocabularies.
const PREFIXES: [&str; 17] = [
    "http://www.w3.org/ns/odrl/2/",
    "https://www.w3.org/ns/odrl/2/",
    "odrl:",
    "https://w3id.org/catenax/policy/",
    "https://w3id.org/catenax/2025/9/policy/",
    "cx-policy:",
    "cx:",
    "https://w3id.org/edc/v0.0.1/ns/",
    "edc:",
    "https://w3id.org/idsa/core/",
    "https://w3id.org/idsa/code/",
    "idsc:",
    "ids:",
    "https://w3id.org/dspace/2025/1/",
    "dspace:",
    "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "rdf:",
];

/// A name without its vocabulary.
pub(super) fn local(name: &str) -> &str {
    PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(name)
}

/// An operand as the module knows it.
pub(super) fn operand(name: &str) -> &str {
    match local(name) {
        "UsagePurpose" | "PURPOSE" => "purpose",
        "JurisdictionLocation" | "ABSOLUTE_SPATIAL_POSITION" | "absoluteSpatialPosition" => "spatial",
        "DataUsageEndDate" | "POLICY_EVALUATION_TIME" | "DATE_TIME" => "dateTime",
        "ELAPSED_TIME" => "elapsedTime",
        "DataUsageEndDurationDays" => "sinceAgreementDays",
        "COUNT" => "count",
        "BusinessPartnerNumber" | "CONNECTOR" | "connector" | "RECIPIENT" => "recipient",
        "Membership" | "SECURITY_LEVEL" | "securityLevel" | "certification" => "membership",
        "FrameworkAgreement" => "framework",
        "USER_ROLE" | "ROLE" | "userRole" => "role",
        "ARTIFACT_STATE" => "artifactState",
        other => other,
    }
}

/// An operator as the module knows it.
pub(super) fn operator(name: &str) -> &str {
    match local(name) {
        "EQ" | "EQUALS" | "SAME_AS" | "DEFINES_AS" => "eq",
        "IN" => "isAnyOf",
        "LT" | "BEFORE" => "lt",
        "LTEQ" => "lteq",
        "GT" | "AFTER" => "gt",
        "GTEQ" => "gteq",
        other => other,
    }
}

/// An action as the module knows it.
pub(super) fn action(name: &str) -> &str {
    match local(name) {
        "USE" => "use",
        "DELETE" => "delete",
        "LOG" => "log",
        "NOTIFY" | "notify" => "inform",
        "ANONYMIZE" | "anonymise" => "anonymize",
        "MODIFY" => "modify",
        "DISTRIBUTE" => "distribute",
        "NEXT_POLICY" => "nextPolicy",
        other => other,
    }
}

/// Duties that can only be done after the use. IDS writes them as duties of a permission, which go before (ODR-1.8).
pub(super) fn comes_after(action: &str) -> bool {
    matches!(action, "delete" | "inform" | "log" | "nextPolicy" | "attribute")
}

/// Contexts that mean what this profile means. They are names and never fetched.
pub(super) fn known_context(iri: &str) -> bool {
    matches!(
        iri,
        "https://w3id.org/dspace/2025/1/context.jsonld"
            | "https://w3id.org/dspace/2025/1/odrl-profile.jsonld"
            | "http://www.w3.org/ns/odrl.jsonld"
            | "https://www.w3.org/ns/odrl.jsonld"
            | "https://w3id.org/catenax/2025/9/policy/context.jsonld"
            | "https://w3id.org/catenax/2025/9/policy/odrl.jsonld"
            | "https://w3id.org/edc/connector/management/v0.0.1"
    )
}

/// Profiles whose terms are those that are read here.
pub(super) fn known_profile(name: &str) -> bool {
    matches!(name, "http://www.w3.org/ns/odrl/2/core" | "cx-policy:profile2405")
        || matches!(local(name), "core" | "profile2405")
}
