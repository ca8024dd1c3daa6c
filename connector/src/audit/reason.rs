//! Why a claim does not hold, as stable words (spec chapter 09, AUD-8): what programs match on and what people are told.
//!
//! Reasons of failed claims and of claims that stay open are one list. Words are never renamed or used for something else.

use std::fmt;

macro_rules! reasons {
    ($($name:ident $text:literal $says:literal;)*) => {
        /// Why a claim failed or stays open. The text of each variant stands in `spec/09-audit.md`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Reason {
            $(#[doc = $says] $name,)*
        }

        impl Reason {
            /// Every reason, in the order of the specification.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The stable word.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// What it means, one line.
            #[must_use]
            pub const fn says(self) -> &'static str {
                match self { $(Self::$name => $says,)* }
            }
        }
    };
}

reasons! {
    FolderUnreadable "folder_unreadable" "The folder cannot be read";
    ArchiveRefused "archive_refused" "A file that should hold an export is not the one spelling of it";
    FileMissing "file_missing" "A file that the export must have is missing";
    FileUnreadable "file_unreadable" "A file cannot be read";
    FileTooLarge "file_too_large" "A file is larger than its kind may be";
    FileUnexpected "file_unexpected" "A file is no part of an export of this log";
    FileMalformed "file_malformed" "A file is not the canonical form of what its kind holds";
    NameDiffers "name_differs" "A file's content has another digest than its name says";
    NodeDiffers "node_differs" "`node.json` says something else than the log and the exporter's signed statement";

    NotAnchored "not_anchored" "The log's participant is not among the auditor's anchors";
    AnchorDiffers "anchor_differs" "A signed statement says another name or country than the anchor";
    StatementInvalid "statement_invalid" "A statement is not signed as its kind must be";
    KeysConflict "keys_conflict" "The key sets of one root contradict each other";
    KeyUnknown "key_unknown" "A signature names a key set that no statement shows";
    KeyRevoked "key_revoked" "A signature was logged after its key set was revoked";

    VkeyUnknown "vkey_unknown" "The log's key is in no key set that the root of its origin signed";
    CheckpointInvalid "checkpoint_invalid" "A checkpoint is malformed, of another log or not signed by the log's key";
    CosignerUnknown "cosigner_unknown" "A checkpoint has a line of a cosigner that the anchors do not name";
    TileInvalid "tile_invalid" "The hash tiles do not lead to the root of the checkpoint";
    BundleDiffers "bundle_differs" "The entries do not hash to the tiles";
    EntryMalformed "entry_malformed" "An entry is not of the form of entries";
    GenesisDiffers "genesis_differs" "The log does not begin with the genesis of its origin";
    LaneGap "lane_gap" "The counters of a lane have a gap or a repetition";
    DisclosureUncommitted "disclosure_uncommitted" "A disclosure is malformed or its entry does not commit to it";

    ActWithheld "act_withheld" "An entry records an act whose file is missing";
    ActUnlogged "act_unlogged" "An act has no entry in the log";
    ActTwice "act_twice" "An act has more than one entry in the log";
    ActDiffers "act_differs" "An act's file and its entry, parties or content contradict each other";
    ContentDiffers "content_differs" "The content of an act has another digest than the act says";
    TokenInvalid "token_invalid" "A token is missing, malformed or not signed by the act's sender";
    TokenDiffers "token_differs" "A token signs another act or is not the one that the entry names";
    PlaceDiffers "place_differs" "A token or acknowledgement names a place in a log where this act is not";
    AckInvalid "ack_invalid" "An acknowledgement is missing, malformed or not signed by the act's receiver";
    AckDiffers "ack_differs" "An acknowledgement is of another act, status or answer";
    AckWithheld "ack_withheld" "The log names an acknowledgement that no act's file holds";
    FieldDiffers "field_differs" "A disclosed field says something else than the act";

    PackMissing "pack_missing" "A policy pack that an evaluation names is missing";
    PackUnreadable "pack_unreadable" "A policy pack cannot be loaded";
    PackWasmChanged "pack_wasm_changed" "The rules (Wasm) of a pack are others than its digest says";
    PackDataChanged "pack_data_changed" "The data of a pack are others than its digest says";
    PackManifestChanged "pack_manifest_changed" "The manifest of a pack is another than its digest says";
    PackArchiveChanged "pack_archive_changed" "The archive of a pack has other bytes than it was exported with";
    PackNotAccepted "pack_not_accepted" "The auditor's anchors do not accept a pack";
    PacksDiffer "packs_differ" "An evaluation names other packs than the terms";
    RecordChanged "record_changed" "An evaluation record has other bytes than its digest says, or is none";
    InputSharedChanged "input_shared_changed" "The shared input is another than the one evaluated";
    InputPrivateChanged "input_private_changed" "The private input is another than the one evaluated";
    InputHostChanged "input_host_changed" "The host's input (clock, phase, side, identities) is another than the one evaluated";
    OccurrenceDiffers "occurrence_differs" "An evaluation counts the transfers under its agreement otherwise than the log";
    ResultChanged "result_changed" "Executing the packs again gives another result than the record";
    EvaluationWithheld "evaluation_withheld" "A decision names an evaluation whose file is missing";
    EvaluationUnbound "evaluation_unbound" "No entry of the log names the evaluation";
    DecisionDiffers "decision_differs" "A signed decision says something else than its evaluation";

    AgreementInvalid "agreement_invalid" "A signature under an agreement does not count";
    AgreementWithheld "agreement_withheld" "The log names an agreement whose file is missing";
    TermsDiffer "terms_differ" "An agreement holds other terms than were proposed last";
    ListingDiffers "listing_differs" "An agreement or receipt does not fit the listing that it names";
    ReceiptDiffers "receipt_differs" "A data receipt does not fit its agreement";

    ReportDiffers "report_differs" "A report on a duty does not fit its agreement";
    UnsignedDiffers "unsigned_differs" "An unsigned agreement does not fit the messages or the decision that it rests on";

    Forked "forked" "Two checkpoints that the log signed cannot both be true";
    Omitted "omitted" "One half lacks an act that the other half proves it logged";
    HalvesDiffer "halves_differ" "The two halves tell different things about one act";

    LogUnusable "log_unusable" "Nothing can be said, since the log itself did not verify";
    NotDisclosed "not_disclosed" "What is needed was not disclosed to this auditor";
    OneHalf "one_half" "The other party's log was not given";
    LaterThanHalf "later_than_half" "The other half was exported before this";
    EarlierShard "earlier_shard" "The log takes over from an earlier one that is not joined here";
    Unsigned "unsigned" "The peer does not sign: nothing proves what it sent";
    IdentityOpen "identity_open" "The anchors do not say who this key is";
    Unanswered "unanswered" "The act was never answered, as far as the files show";
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::Reason;

    /// AUD-8.2
    #[test]
    fn every_reason_stands_in_the_specification() {
        let spec = include_str!("../../../spec/09-audit.md");
        let mut seen = BTreeSet::new();
        for reason in Reason::ALL {
            assert!(seen.insert(reason.as_str()), "{reason} twice");
            assert!(spec.contains(&format!("| {reason} | {} |", reason.says())), "{reason}");
        }
    }
}
