//! Every limit of the exchange, in one place (spec chapter 11, LIM-1). Carries the numbers only: who checks one names it.
//!
//! Sizes are bytes unless the unit says otherwise. A peer that exceeds a limit is refused with a code of [`crate::error`],
//! never served slowly and never by a panic. [`TABLE`] is the same list as data; the table in the specification is compared
//! with it by a test.

/// One row of the table of limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Name of the constant.
    pub name: &'static str,
    /// Its value.
    pub value: u64,
    /// What is counted: `bytes`, `seconds`, `milliseconds`, `levels`, or the thing itself.
    pub unit: &'static str,
    /// What is limited.
    pub text: &'static str,
}

macro_rules! limits {
    ($($name:ident: $ty:ty = $value:expr, $unit:literal, $text:literal;)*) => {
        $(#[doc = $text] #[doc = concat!("\n\nUnit: ", $unit, ".")] pub const $name: $ty = $value;)*

        /// All limits, in the order of the specification.
        pub const TABLE: &[Limit] =
            &[$(Limit { name: stringify!($name), value: $name as u64, unit: $unit, text: $text }),*];
    };
}

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

limits! {
    MESSAGE: usize = MIB, "bytes", "Content of a message or of its answer, ranges of data excepted.";
    NESTING: usize = 32, "levels", "Nesting of arrays and objects in any JSON document; `[]` is one level.";
    INTEGER: u64 = 9_007_199_254_740_991, "units", "Largest absolute value of an integer in a JSON document (2^53 - 1).";

    REQUEST_HEAD: usize = 16 * KIB, "bytes", "Request line and headers together.";
    REQUEST_HEADERS: usize = 64, "headers", "Headers of one request or answer.";
    REQUEST_PATH: usize = 1024, "bytes", "Request target after the base of its API.";
    HEAD_SECONDS: u64 = 10, "seconds", "Time for a request line and its headers to arrive.";
    BODY_SECONDS: u64 = 30, "seconds", "Time for the content of a message to arrive.";
    ANSWER_SECONDS: u64 = 60, "seconds", "Time for an answer to a message to begin.";
    IDLE_SECONDS: u64 = 90, "seconds", "Time that a connection may stay open without a request or a ping.";

    TOKEN: usize = 4 * KIB, "bytes", "Token, as compact JWS.";
    TOKEN_SECONDS: u64 = 300, "seconds", "Life of a token, `exp` minus `iat`.";
    SKEW_SECONDS: u64 = 60, "seconds", "Difference of clocks that is forgiven.";
    ACK: usize = 2 * KIB, "bytes", "Acknowledgement, as compact JWS.";
    CHECKPOINT: usize = 768, "bytes", "Checkpoint note with the log's own line, in a token or an acknowledgement.";
    NOTE: usize = 16 * KIB, "bytes", "Checkpoint note with cosignatures, anywhere else.";
    NOTE_LINES: usize = 32, "lines", "Signature lines of a note.";

    PARTICIPANT: usize = 4 * KIB, "bytes", "Participant statement, as compact JWS.";
    KEY_SET: usize = 8 * KIB, "bytes", "Key set, as compact JWS.";
    KEY_SETS: usize = 256, "key sets", "Key sets of one root that are kept and served.";
    REVOKED: usize = 64, "revocations", "Revocations in one key set.";
    NAME: usize = 256, "bytes", "Name of a participant, title of a dataset in one language.";
    TICKET: usize = 24 * KIB, "bytes", "Ticket, as text.";
    TICKET_SECONDS: u64 = 30 * 86_400, "seconds", "Life of a ticket, counted by who reads it.";
    TICKET_ADDRESSES: usize = 8, "addresses", "Addresses in a ticket or of a peer record.";
    ADDRESS: usize = 256, "bytes", "One address.";

    LISTING: usize = 256 * KIB, "bytes", "Listing, as compact JWS.";
    SUMMARY_FILES: usize = 64, "files", "Files whose columns a summary names.";
    SUMMARY_COLUMNS: usize = 256, "names", "Column names per file in a summary.";
    SUMMARY_MEDIA: usize = 64, "media types", "Media types in a summary.";
    COLUMN_NAME: usize = 256, "bytes", "One column name.";
    CATALOG_PAGE: usize = 100, "datasets", "Datasets on one page of a catalog, which also fits a message.";
    CATALOG: usize = 10_000, "datasets", "Datasets that are read of one catalog.";
    CATALOG_DECISION_SECONDS: u64 = 60, "seconds", "How long a decision about showing a dataset may be remembered.";

    TERMS: usize = 128 * KIB, "bytes", "Terms of a deal, as JCS.";
    AGREEMENT: usize = 256 * KIB, "bytes", "Agreement, as JWS in JSON serialization.";
    SUPPLY: usize = 512 * KIB, "bytes", "Signed set of packs, or signed data that rules read, as base64url of its JCS.";
    SUPPLY_FILE: usize = 64 * MIB, "bytes", "File with a signed set and its packs.";
    SIGNERS: usize = 32, "signatures", "Signatures of such a document, and signers that are configured.";
    PACKS: usize = 16, "packs", "Policy packs named by terms or by an evaluation record.";
    LANES: usize = 16, "lanes", "Lanes of a deal.";
    OBLIGATIONS: usize = 64, "obligations", "Obligations of a deal.";
    REASON: usize = 1024, "bytes", "Reason given in an `end`, a suspension or a termination.";
    REPORTS: usize = 128, "reports", "Reports of one side under one agreement that are kept.";
    OBLIGATION_DUE_SECONDS: u64 = 86_400, "seconds", "Time before its deadline from which an obligation is due.";
    OBLIGATION_SHORT_SECONDS: u64 = 7 * 86_400, "seconds", "Longest `within` of an obligation that is due from its event on.";
    CONCLUDE_SECONDS: u64 = 86_400, "seconds", "`conclude_by` after the draft, at most.";
    APPROVAL_SECONDS: u64 = 8 * 3600, "seconds", "Time that a person has for a decision, unless the operator sets another.";
    APPROVAL_MARGIN_SECONDS: u64 = 600, "seconds", "Time before `conclude_by` by which a person has decided.";

    CHUNK: usize = 4 * MIB, "bytes", "Chunk of a file; the last one of a file may be shorter.";
    WINDOW: usize = 64 * MIB, "bytes", "Window, at most.";
    WINDOW_PARTS: u64 = 16, "parts", "Parts of a dataset version that make a window, if that is smaller.";
    WINDOWS_OPEN: usize = 2, "windows", "Windows that may be unacknowledged.";
    WINDOW_ACK: usize = 2 * KIB, "bytes", "Window acknowledgement, as compact JWS.";
    CAPABILITY: usize = 2 * KIB, "bytes", "Capability, as compact JWS.";
    CAPABILITY_SECONDS: u64 = 900, "seconds", "Life of a capability.";
    FILES: usize = 1_000_000, "files", "Files of a dataset version.";
    FILE_PATH: usize = 1024, "bytes", "Path of a file in a file list.";
    FILE_LINE: usize = 4 * KIB, "bytes", "Line of a file list, as JCS with its line feed.";
    MEDIA_TYPE: usize = 128, "bytes", "Media type of a file.";
    CHUNK_TRIES: u32 = 5, "tries", "Fetches of one chunk that fails its hash, before the transfer ends with its name.";

    LOG_ENTRY: usize = 60 * KIB, "bytes", "Log entry, as JCS.";
    ENTRY_ACKS: usize = 64, "acknowledgements", "Acknowledgements in one log entry.";
    ENTRY_FIELDS: usize = 64, "disclosures", "Salted digests in one log entry.";
    DISCLOSURE: usize = 256 * KIB, "bytes", "One disclosure.";
    LOG_PAGE: usize = 256, "entries", "Acts in one answer to `/log/yours`.";
    PROOF_HASHES: usize = 64, "hashes", "Hashes of an inclusion or consistency proof.";

    RETRY_FIRST_MILLIS: u64 = 200, "milliseconds", "Pause before the first repetition of an act.";
    RETRY_LAST_MILLIS: u64 = 300_000, "milliseconds", "Longest pause between repetitions of an act.";
    HORIZON_SECONDS: u64 = 72 * 3600, "seconds", "Time after which an unanswered act is no longer sent by itself.";
    ACK_IDLE_MILLIS: u64 = 1000, "milliseconds", "Idle time after which received acknowledgements get an entry.";

    COMMIT_BATCH: usize = 256, "transitions", "Transitions in one commit.";
    EXCHANGE_QUEUE: usize = 16, "inputs", "Inputs that wait for one exchange.";
    OUTBOX_PEER: usize = 1024, "acts", "Unanswered acts towards one peer.";
    OUTBOX: usize = 65_536, "acts", "Unanswered acts towards all peers.";
    PEERS: usize = 4096, "peers", "Pinned peers.";
    PEER_EXCHANGES: usize = 4096, "exchanges", "Live exchanges with one peer.";
    PEER_CONNECTIONS: usize = 8, "connections", "Connections with one peer, of all doors.";
    PEER_STREAMS: usize = 64, "streams", "Streams that one peer may hold open.";
    PEER_RANGES: usize = 16, "requests", "Ranges served to one peer at once.";
    PEER_ACTS_MINUTE: u64 = 6000, "acts", "Acts taken from one peer in a minute.";
    PEER_READS_MINUTE: u64 = 6000, "reads", "Reads and service posts taken from one peer in a minute, ranges excepted.";
    PEER_REFUSALS_HOUR: u64 = 120, "entries", "Refused acts of one peer that are logged in an hour; beyond it, 429.";
    STRANGER_REQUESTS_MINUTE: u64 = 60, "requests", "Requests taken in a minute from one address that is no pinned peer's.";
    STRANGER_CONNECTIONS: usize = 64, "connections", "Connections of strangers, together.";
    TICKETS_OPEN: usize = 256, "tickets", "Unredeemed tickets.";

    BUNDLE: usize = 16 * MIB, "bytes", "Policy bundle, packed.";
    BUNDLE_UNPACKED: usize = 64 * MIB, "bytes", "Policy bundle, unpacked.";
    BUNDLE_FILES: usize = 256, "files", "Files in a policy bundle.";
    POLICY_FUEL: u64 = 500_000_000, "instructions", "Fuel of one evaluation of one pack.";
    POLICY_MEMORY: usize = 64 * MIB, "bytes", "Memory of one evaluation of one pack.";
    POLICY_INPUT: usize = 256 * KIB, "bytes", "Input document of an evaluation.";
    POLICY_RESULT: usize = 64 * KIB, "bytes", "Result document of an evaluation.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_travels_inside_a_message_is_smaller_than_it() {
        // LIM-1.2
        for part in [
            TOKEN,
            ACK,
            PARTICIPANT,
            KEY_SET,
            TICKET,
            LISTING,
            TERMS,
            AGREEMENT,
            WINDOW_ACK,
            CAPABILITY,
            NOTE,
        ] {
            assert!(part < MESSAGE);
        }
        const { assert!(TOKEN + ACK < REQUEST_HEAD) }
    }

    #[test]
    fn names_are_unique() {
        for (at, limit) in TABLE.iter().enumerate() {
            assert!(TABLE[at + 1..].iter().all(|other| other.name != limit.name), "{}", limit.name);
        }
    }
}
