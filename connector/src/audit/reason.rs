//! Why a claim does not hold, as stable words (spec chapter 09, AUD-8): what programs match on and what people are told.
//!
//! Reasons of failed claims and of claims that stay open are one list. Words are never renamed or used for something else.

use std::fmt;

use naru_protocol::error::Lang;

macro_rules! reasons {
    ($($name:ident $text:literal $says:literal $ko:literal;)*) => {
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

            /// What it means, one line, as the specification says it.
            #[must_use]
            pub const fn says(self) -> &'static str {
                self.says_in(Lang::En)
            }

            /// What it means, in a language.
            #[must_use]
            pub const fn says_in(self, lang: Lang) -> &'static str {
                match self { $(Self::$name => lang.pick($says, $ko),)* }
            }
        }
    };
}

reasons! {
    FolderUnreadable "folder_unreadable" "The folder cannot be read" "폴더를 읽을 수 없습니다";
    ArchiveRefused "archive_refused" "A file that should hold an export is not the one spelling of it" "내보낸 자료여야 할 파일이 정해진 한 가지 형식이 아닙니다";
    FileMissing "file_missing" "A file that the export must have is missing" "내보낸 자료에 있어야 할 파일이 없습니다";
    FileUnreadable "file_unreadable" "A file cannot be read" "파일을 읽을 수 없습니다";
    FileTooLarge "file_too_large" "A file is larger than its kind may be" "파일이 그 종류에 허용된 크기보다 큽니다";
    FileUnexpected "file_unexpected" "A file is no part of an export of this log" "이 로그의 내보낸 자료에 속하지 않는 파일입니다";
    FileMalformed "file_malformed" "A file is not the canonical form of what its kind holds" "파일이 그 종류가 담는 내용의 표준 형식이 아닙니다";
    NameDiffers "name_differs" "A file's content has another digest than its name says" "파일 내용의 다이제스트가 이름과 다릅니다";
    NodeDiffers "node_differs" "`node.json` says something else than the log and the exporter's signed statement" "`node.json`의 내용이 로그나 내보낸 쪽의 서명된 진술서와 다릅니다";

    NotAnchored "not_anchored" "The log's participant is not among the auditor's anchors" "로그의 참여자가 감사인의 신뢰 기준에 없습니다";
    AnchorDiffers "anchor_differs" "A signed statement says another name or country than the anchor" "서명된 진술서의 이름이나 국가가 신뢰 기준과 다릅니다";
    StatementInvalid "statement_invalid" "A statement is not signed as its kind must be" "진술서가 그 종류에 맞게 서명되지 않았습니다";
    KeysConflict "keys_conflict" "The key sets of one root contradict each other" "한 루트의 키 집합들이 서로 어긋납니다";
    KeyUnknown "key_unknown" "A signature names a key set that no statement shows" "서명이 가리키는 키 집합을 보여 주는 진술서가 없습니다";
    KeyRevoked "key_revoked" "A signature was logged after its key set was revoked" "키 집합이 폐기된 뒤에 서명이 기록되었습니다";

    VkeyUnknown "vkey_unknown" "The log's key is in no key set that the root of its origin signed" "로그의 키가 그 기원의 루트가 서명한 어떤 키 집합에도 없습니다";
    CheckpointInvalid "checkpoint_invalid" "A checkpoint is malformed, of another log or not signed by the log's key" "체크포인트의 형식이 틀렸거나, 다른 로그의 것이거나, 로그 키로 서명되지 않았습니다";
    CosignerUnknown "cosigner_unknown" "A checkpoint has a line of a cosigner that the anchors do not name" "체크포인트에 신뢰 기준에 없는 공동 서명자의 줄이 있습니다";
    TileInvalid "tile_invalid" "The hash tiles do not lead to the root of the checkpoint" "해시 타일이 체크포인트의 루트로 이어지지 않습니다";
    BundleDiffers "bundle_differs" "The entries do not hash to the tiles" "항목들의 해시가 타일과 맞지 않습니다";
    EntryMalformed "entry_malformed" "An entry is not of the form of entries" "항목이 정해진 형식이 아닙니다";
    GenesisDiffers "genesis_differs" "The log does not begin with the genesis of its origin" "로그가 그 기원의 첫 항목으로 시작하지 않습니다";
    LaneGap "lane_gap" "The counters of a lane have a gap or a repetition" "한 경로의 순번에 빈틈이나 중복이 있습니다";
    DisclosureUncommitted "disclosure_uncommitted" "A disclosure is malformed or its entry does not commit to it" "공개 자료의 형식이 틀렸거나 항목이 그것을 약속하지 않았습니다";

    ActWithheld "act_withheld" "An entry records an act whose file is missing" "항목이 기록한 행위의 파일이 없습니다";
    ActUnlogged "act_unlogged" "An act has no entry in the log" "행위에 해당하는 로그 항목이 없습니다";
    ActTwice "act_twice" "An act has more than one entry in the log" "한 행위의 로그 항목이 둘 이상입니다";
    ActDiffers "act_differs" "An act's file and its entry, parties or content contradict each other" "행위의 파일과 그 항목, 당사자 또는 내용이 서로 어긋납니다";
    ContentDiffers "content_differs" "The content of an act has another digest than the act says" "행위의 내용이 행위가 말하는 다이제스트와 다릅니다";
    TokenInvalid "token_invalid" "A token is missing, malformed or not signed by the act's sender" "토큰이 없거나, 형식이 틀렸거나, 보낸 쪽이 서명하지 않았습니다";
    TokenDiffers "token_differs" "A token signs another act or is not the one that the entry names" "토큰이 다른 행위에 서명했거나 항목이 가리키는 토큰이 아닙니다";
    PlaceDiffers "place_differs" "A token or acknowledgement names a place in a log where this act is not" "토큰이나 수신 확인이 가리키는 로그의 자리에 이 행위가 없습니다";
    AckInvalid "ack_invalid" "An acknowledgement is missing, malformed or not signed by the act's receiver" "수신 확인이 없거나, 형식이 틀렸거나, 받은 쪽이 서명하지 않았습니다";
    AckDiffers "ack_differs" "An acknowledgement is of another act, status or answer" "수신 확인이 다른 행위, 상태 또는 응답에 대한 것입니다";
    AckWithheld "ack_withheld" "The log names an acknowledgement that no act's file holds" "로그가 가리키는 수신 확인이 어떤 행위의 파일에도 없습니다";
    FieldDiffers "field_differs" "A disclosed field says something else than the act" "공개된 항목의 값이 행위와 다릅니다";

    PackMissing "pack_missing" "A policy pack that an evaluation names is missing" "평가가 가리키는 규칙 묶음이 없습니다";
    PackUnreadable "pack_unreadable" "A policy pack cannot be loaded" "규칙 묶음을 불러올 수 없습니다";
    PackWasmChanged "pack_wasm_changed" "The rules (Wasm) of a pack are others than its digest says" "규칙 묶음의 규칙(Wasm)이 다이제스트와 다릅니다";
    PackDataChanged "pack_data_changed" "The data of a pack are others than its digest says" "규칙 묶음의 데이터가 다이제스트와 다릅니다";
    PackManifestChanged "pack_manifest_changed" "The manifest of a pack is another than its digest says" "규칙 묶음의 목록이 다이제스트와 다릅니다";
    PackArchiveChanged "pack_archive_changed" "The archive of a pack has other bytes than it was exported with" "규칙 묶음 파일의 바이트가 내보낼 때와 다릅니다";
    PackNotAccepted "pack_not_accepted" "The auditor's anchors do not accept a pack" "감사인의 신뢰 기준이 이 규칙 묶음을 받아들이지 않습니다";
    PacksDiffer "packs_differ" "An evaluation names other packs than the terms" "평가가 계약 조건과 다른 규칙 묶음을 가리킵니다";
    RecordChanged "record_changed" "An evaluation record has other bytes than its digest says, or is none" "평가 기록의 바이트가 다이제스트와 다르거나 평가 기록이 아닙니다";
    InputSharedChanged "input_shared_changed" "The shared input is another than the one evaluated" "공유 입력이 평가된 것과 다릅니다";
    InputPrivateChanged "input_private_changed" "The private input is another than the one evaluated" "비공개 입력이 평가된 것과 다릅니다";
    InputHostChanged "input_host_changed" "The host's input (clock, phase, side, identities) is another than the one evaluated" "노드의 입력(시각, 단계, 측, 신원)이 평가된 것과 다릅니다";
    OccurrenceDiffers "occurrence_differs" "An evaluation counts the transfers under its agreement otherwise than the log" "평가가 센 계약상 전송 횟수가 로그와 다릅니다";
    ResultChanged "result_changed" "Executing the packs again gives another result than the record" "규칙 묶음을 다시 실행한 결과가 기록과 다릅니다";
    EvaluationWithheld "evaluation_withheld" "A decision names an evaluation whose file is missing" "결정이 가리키는 평가의 파일이 없습니다";
    EvaluationUnbound "evaluation_unbound" "No entry of the log names the evaluation" "로그의 어떤 항목도 이 평가를 가리키지 않습니다";
    DecisionDiffers "decision_differs" "A signed decision says something else than its evaluation" "서명된 결정이 그 평가와 다릅니다";

    AgreementInvalid "agreement_invalid" "A signature under an agreement does not count" "계약의 서명 하나가 유효하지 않습니다";
    AgreementWithheld "agreement_withheld" "The log names an agreement whose file is missing" "로그가 가리키는 계약의 파일이 없습니다";
    TermsDiffer "terms_differ" "An agreement holds other terms than were proposed last" "계약의 조건이 마지막으로 제안된 것과 다릅니다";
    ListingDiffers "listing_differs" "An agreement or receipt does not fit the listing that it names" "계약이나 수령증이 가리키는 목록과 맞지 않습니다";
    ReceiptDiffers "receipt_differs" "A data receipt does not fit its agreement" "데이터 수령증이 계약과 맞지 않습니다";

    ReportDiffers "report_differs" "A report on a duty does not fit its agreement" "의무에 대한 보고가 계약과 맞지 않습니다";
    UnsignedDiffers "unsigned_differs" "An unsigned agreement does not fit the messages or the decision that it rests on" "서명 없는 계약이 그 바탕인 메시지나 결정과 맞지 않습니다";

    Forked "forked" "Two checkpoints that the log signed cannot both be true" "로그가 서명한 두 체크포인트가 함께 참일 수 없습니다";
    Omitted "omitted" "One half lacks an act that the other half proves it logged" "한쪽이 기록했다고 다른 쪽이 증명하는 행위가 그쪽에 없습니다";
    HalvesDiffer "halves_differ" "The two halves tell different things about one act" "두 쪽의 기록이 한 행위를 다르게 말합니다";

    LogUnusable "log_unusable" "Nothing can be said, since the log itself did not verify" "로그 자체가 검증되지 않아 아무것도 말할 수 없습니다";
    NotDisclosed "not_disclosed" "What is needed was not disclosed to this auditor" "필요한 것이 이 감사인에게 공개되지 않았습니다";
    OneHalf "one_half" "The other party's log was not given" "상대의 로그가 주어지지 않았습니다";
    LaterThanHalf "later_than_half" "The other half was exported before this" "상대의 기록은 이보다 먼저 내보낸 것입니다";
    EarlierShard "earlier_shard" "The log takes over from an earlier one that is not joined here" "로그가 여기 이어지지 않은 이전 로그를 이어받습니다";
    Unsigned "unsigned" "The peer does not sign: nothing proves what it sent" "상대가 서명하지 않습니다: 상대가 보낸 것을 증명하는 것이 없습니다";
    IdentityOpen "identity_open" "The anchors do not say who this key is" "신뢰 기준이 이 키가 누구인지 말하지 않습니다";
    Unanswered "unanswered" "The act was never answered, as far as the files show" "파일로 보는 한 행위에 대한 응답이 없었습니다";
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
