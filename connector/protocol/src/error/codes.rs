//! The table of codes. Each row: variant, stable text, HTTP status, side; then title and hint in English and in Korean.

use super::{Row, Side, table::codes};

codes! {
    // Documents and requests.
    Malformed "malformed" 400 Peer
        "Message is malformed"
        "The message names what does not fit. The sender's software has to be corrected; sending it again does not help."
        "메시지 형식이 올바르지 않습니다"
        "맞지 않는 항목이 메시지에 적혀 있습니다. 보낸 쪽 소프트웨어를 고쳐야 하며 다시 보내도 소용없습니다.";
    TooLarge "too_large" 413 Peer
        "Message is larger than allowed"
        "See the table of limits. Split the dataset or shorten the policy document."
        "메시지가 허용 크기를 넘었습니다"
        "한도 표를 확인하세요. 데이터셋을 나누거나 정책 문서를 줄이세요.";
    TooDeep "too_deep" 400 Peer
        "Document is nested too deeply"
        "At most 32 levels of arrays and objects are read."
        "문서의 중첩이 너무 깊습니다"
        "배열과 객체는 32단계까지만 읽습니다.";
    DuplicateKey "duplicate_key" 400 Peer
        "Document has the same key twice in one object"
        "The sender's JSON writer has to be corrected."
        "한 객체에 같은 키가 두 번 있습니다"
        "보낸 쪽의 JSON 생성 코드를 고쳐야 합니다.";
    BadNumber "bad_number" 400 Peer
        "Document has a number that is no safe integer"
        "Only integers between -(2^53-1) and 2^53-1 are allowed in documents that are signed or hashed."
        "문서에 안전한 정수가 아닌 숫자가 있습니다"
        "서명하거나 해시하는 문서에는 -(2^53-1)부터 2^53-1까지의 정수만 쓸 수 있습니다.";
    NotCanonical "not_canonical" 400 Peer
        "Signed document is not in canonical form"
        "The sender must sign the RFC 8785 form, without members that the specification does not name."
        "서명된 문서가 정규형이 아닙니다"
        "보낸 쪽은 명세에 없는 항목 없이 RFC 8785 형식으로 서명해야 합니다.";
    WrongType "wrong_type" 401 Peer
        "Signature is for another type of document"
        "The sender put a signed document where another one belongs. Its software has to be corrected."
        "다른 종류의 문서에 대한 서명입니다"
        "보낸 쪽이 엉뚱한 자리에 서명 문서를 넣었습니다. 그쪽 소프트웨어를 고쳐야 합니다.";
    SignatureInvalid "signature_invalid" 401 Peer
        "Signature does not verify"
        "The document was altered on its way or signed with another key. Fetch the peer's keys again; if it stays, call the peer."
        "서명이 확인되지 않습니다"
        "전송 중에 바뀌었거나 다른 키로 서명되었습니다. 상대의 키를 다시 받고, 계속되면 상대에게 연락하세요.";
    TooSlow "too_slow" 408 Peer
        "Request did not arrive in time"
        "The connection may be congested. The sender repeats by itself."
        "요청이 제때 도착하지 않았습니다"
        "연결이 혼잡할 수 있습니다. 보낸 쪽이 알아서 다시 보냅니다.";
    HeadTooLarge "head_too_large" 431 Peer
        "Request line or headers are larger than allowed"
        "See the table of limits; a proxy in between may be adding headers."
        "요청 줄이나 헤더가 허용 크기를 넘었습니다"
        "한도 표를 확인하세요. 중간 프록시가 헤더를 덧붙일 수 있습니다.";
    EncodingRefused "encoding_refused" 415 Peer
        "Content is compressed or of another media type"
        "Acts travel as plain application/json. Switch compression off, in proxies too."
        "내용이 압축되었거나 미디어 타입이 다릅니다"
        "메시지는 압축하지 않은 application/json이어야 합니다. 프록시를 포함해 압축을 끄세요.";
    NotFound "not_found" 404 Peer
        "No such thing, or not yours to see"
        "Check the identifier. Things of other participants are answered the same way."
        "없거나 볼 권한이 없는 항목입니다"
        "식별자를 확인하세요. 다른 참여자의 항목도 똑같이 응답합니다.";
    MethodRefused "method_refused" 405 Peer
        "Method is not allowed here"
        "See the list of endpoints in the specification."
        "이 경로에 허용되지 않는 메서드입니다"
        "명세의 엔드포인트 목록을 확인하세요.";
    BudgetExceeded "budget_exceeded" 429 Peer
        "More requests than this peer's budget allows"
        "Wait as long as the answer says. Nothing was stored; the sender repeats by itself."
        "이 상대에게 허용된 요청량을 넘었습니다"
        "응답이 알려준 시간만큼 기다리세요. 저장된 것은 없으며 보낸 쪽이 알아서 다시 보냅니다.";
    Busy "busy" 503 Peer
        "Node is busy"
        "Nothing was stored; the sender repeats by itself."
        "노드가 바쁩니다"
        "저장된 것은 없으며 보낸 쪽이 알아서 다시 보냅니다.";
    Recovering "recovering" 503 Peer
        "Node has just started and first asks this peer what it holds"
        "Wait. It ends with the first answer of the peer."
        "노드가 막 시작되어 상대가 가진 기록을 먼저 확인하고 있습니다"
        "기다리세요. 상대가 처음 응답하면 끝납니다.";
    Internal "internal" 500 Local
        "Something went wrong that should not"
        "Nothing was promised. Keep the log of the node and report it."
        "일어나지 말아야 할 문제가 생겼습니다"
        "약속된 것은 없습니다. 노드 로그를 보관하고 신고하세요.";

    // Tokens, keys and participants.
    TokenMissing "token_missing" 401 Peer
        "Request has no token"
        "A peer that is known to sign must sign every request."
        "요청에 토큰이 없습니다"
        "서명하는 상대로 등록된 참여자는 모든 요청에 서명해야 합니다.";
    TokenMalformed "token_malformed" 401 Peer
        "Token is malformed"
        "The sender's software has to be corrected."
        "토큰 형식이 올바르지 않습니다"
        "보낸 쪽 소프트웨어를 고쳐야 합니다.";
    TokenExpired "token_expired" 401 Peer
        "Token has expired"
        "Compare the clocks of both machines; a minute of difference is forgiven."
        "토큰이 만료되었습니다"
        "두 컴퓨터의 시계를 맞추세요. 1분 차이까지 허용합니다.";
    TokenNotYet "token_not_yet" 401 Peer
        "Token is from the future"
        "Compare the clocks of both machines; a minute of difference is forgiven."
        "토큰의 시각이 미래입니다"
        "두 컴퓨터의 시계를 맞추세요. 1분 차이까지 허용합니다.";
    WrongIssuer "wrong_issuer" 401 Peer
        "Token is from another participant than the connection"
        "The peer's node uses the keys of another participant. Pair again if it was set up anew."
        "연결한 참여자와 토큰의 발행자가 다릅니다"
        "상대 노드가 다른 참여자의 키를 쓰고 있습니다. 새로 설치했다면 다시 연결을 맺으세요.";
    WrongAudience "wrong_audience" 401 Peer
        "Token is for another participant"
        "The sender addressed another node. Check the address under which it knows this one."
        "다른 참여자에게 보낸 토큰입니다"
        "보낸 쪽이 다른 노드를 지정했습니다. 이 노드의 주소가 올바른지 확인하세요.";
    WrongMethod "wrong_method" 401 Peer
        "Token is for another method"
        "A proxy may have rewritten the request."
        "다른 메서드에 대한 토큰입니다"
        "프록시가 요청을 바꾸었을 수 있습니다.";
    WrongPath "wrong_path" 401 Peer
        "Token is for another path"
        "A proxy may have rewritten the path; it must be passed on byte for byte."
        "다른 경로에 대한 토큰입니다"
        "프록시가 경로를 바꾸었을 수 있습니다. 경로는 한 글자도 바꾸지 말고 전달해야 합니다.";
    BodyMismatch "body_mismatch" 401 Peer
        "Content is not what the token signs"
        "A proxy may have rewritten or decompressed the content; it must be passed on byte for byte."
        "내용이 토큰에 서명된 것과 다릅니다"
        "프록시가 내용을 바꾸거나 압축을 풀었을 수 있습니다. 내용은 그대로 전달해야 합니다.";
    KeyMalformed "key_malformed" 400 Peer
        "Not an acceptable Ed25519 public key"
        "The key is cut, in another encoding, or unsafe. Ask the peer for its keys again."
        "사용할 수 없는 Ed25519 공개키입니다"
        "키가 잘렸거나 인코딩이 다르거나 안전하지 않습니다. 상대에게 키를 다시 요청하세요.";
    KeyMismatch "key_mismatch" 401 Peer
        "Signature names another key than its key set holds"
        "The sender's software has to be corrected."
        "서명에 적힌 키가 키 세트의 키와 다릅니다"
        "보낸 쪽 소프트웨어를 고쳐야 합니다.";
    KeyUnknown "key_unknown" 401 Peer
        "Key set is not known"
        "The peer has new keys. They are fetched from it and the request is repeated by itself."
        "알려지지 않은 키 세트입니다"
        "상대의 키가 바뀌었습니다. 새 키를 받아 온 뒤 요청이 자동으로 반복됩니다.";
    KeyRevoked "key_revoked" 401 Peer
        "Key set is revoked"
        "The peer itself withdrew this key. Call it if it still signs with it."
        "폐기된 키 세트입니다"
        "상대가 스스로 이 키를 폐기했습니다. 아직 이 키로 서명한다면 상대에게 연락하세요.";
    KeyTooOld "key_too_old" 401 Peer
        "Key set is older than the terms allow"
        "The peer has to sign with its newer keys."
        "약정에 정한 것보다 오래된 키 세트입니다"
        "상대가 새 키로 서명해야 합니다.";
    KeyNotYet "key_not_yet" 401 Peer
        "Key set is not valid yet"
        "Compare the clocks of both machines, or wait until the key set begins."
        "아직 유효하지 않은 키 세트입니다"
        "두 컴퓨터의 시계를 맞추거나 키 세트가 시작될 때까지 기다리세요.";
    KeysRefused "keys_refused" 400 Peer
        "Key set contradicts the earlier ones"
        "Numbers must rise, revocations stay, revoked keys never return. Call the peer: somebody may hold its root key."
        "키 세트가 이전 것과 모순됩니다"
        "번호는 늘어나고, 폐기는 유지되며, 폐기된 키는 돌아올 수 없습니다. 상대에게 연락하세요. 루트 키가 유출되었을 수 있습니다.";
    NotByRoot "not_by_root" 400 Peer
        "Statement is not signed by the root key of its participant"
        "Do not trust it. Ask the peer for its statements again."
        "참여자의 루트 키로 서명되지 않은 문서입니다"
        "신뢰하지 마세요. 상대에게 문서를 다시 요청하세요.";
    StatementOlder "statement_older" 400 Peer
        "Statement is older than the one already known"
        "The newer one stays. The peer's node may run from a restored copy."
        "이미 알고 있는 것보다 오래된 문서입니다"
        "새 문서를 그대로 유지합니다. 상대 노드가 복원된 사본일 수 있습니다.";
    NotPaired "not_paired" 401 Peer
        "This participant is not known here"
        "Exchange a ticket first: one side runs `naru ticket`, the other `naru trust`, and the first one then `naru accept`."
        "등록되지 않은 참여자입니다"
        "먼저 티켓을 교환하세요. 한쪽은 `naru ticket`, 다른 쪽은 `naru trust`, 이어서 처음 쪽이 `naru accept`를 실행합니다.";
    PeerBlocked "peer_blocked" 401 Local
        "This participant is blocked here"
        "The operator of this node blocked it; only the operator can allow it again."
        "차단된 참여자입니다"
        "이 노드의 운영자가 차단했습니다. 운영자만 해제할 수 있습니다.";
    PeerMismatch "peer_mismatch" 401 Peer
        "Node on the connection is not the one that the statement names"
        "The transport key differs. Pair again if the peer's node was set up anew."
        "연결된 노드가 문서에 적힌 노드와 다릅니다"
        "전송 키가 다릅니다. 상대 노드를 새로 설치했다면 다시 연결을 맺으세요.";
    Downgraded "downgraded" 401 Peer
        "Peer is known to sign and came without signatures"
        "Never accepted. Call the peer: its software changed or somebody speaks in its name."
        "서명하던 상대가 서명 없이 요청했습니다"
        "받아들이지 않습니다. 상대에게 연락하세요. 소프트웨어가 바뀌었거나 누군가 사칭하고 있습니다.";
    TicketMalformed "ticket_malformed" 400 Peer
        "Not a ticket, or not a whole one"
        "Copy the whole text from `naru1` to its end, or ask for a new ticket."
        "티켓이 아니거나 일부가 빠졌습니다"
        "`naru1`부터 끝까지 모두 복사하거나 새 티켓을 요청하세요.";
    TicketExpired "ticket_expired" 400 Peer
        "Ticket has expired"
        "Ask for a new ticket."
        "만료된 티켓입니다"
        "새 티켓을 요청하세요.";
    TicketUsed "ticket_used" 409 Peer
        "Ticket was redeemed by somebody else"
        "Ask for a new ticket and tell its issuer: another participant holds the text."
        "다른 참여자가 이미 사용한 티켓입니다"
        "새 티켓을 요청하고, 누군가 티켓을 가지고 있다고 발행자에게 알리세요.";
    TicketUnknown "ticket_unknown" 404 Peer
        "Ticket is not known here"
        "It was withdrawn or is from another node. Ask for a new one."
        "알려지지 않은 티켓입니다"
        "취소되었거나 다른 노드의 티켓입니다. 새 티켓을 요청하세요.";
    FingerprintDiffers "fingerprint_differs" 500 Local
        "Fingerprint is not the one that was given"
        "Do not go on. Ask the firm for its fingerprint by telephone."
        "지문이 입력한 것과 다릅니다"
        "진행하지 마세요. 상대 회사에 전화로 지문을 확인하세요.";
    CallbackRefused "callback_refused" 400 Peer
        "Callback address is not one of this peer's"
        "It must lie under an address of the peer record or name the connected peer."
        "콜백 주소가 이 상대의 주소가 아닙니다"
        "등록된 상대 주소 아래에 있거나 연결된 상대를 가리켜야 합니다.";

    // Acts and their order.
    MsgReused "msg_reused" 409 Peer
        "Another act is known under this message id"
        "Message ids are never used twice. The sender's node may run from a restored copy."
        "같은 메시지 ID의 다른 요청이 이미 있습니다"
        "메시지 ID는 다시 쓸 수 없습니다. 보낸 노드가 복원된 사본일 수 있습니다.";
    Crossed "crossed" 409 Peer
        "Act crossed one of ours that goes first"
        "The sender takes up ours, which is on its way, and drops its own."
        "먼저 처리되는 우리 쪽 요청과 엇갈렸습니다"
        "보낸 쪽은 전송 중인 우리 요청을 받아들이고 자기 요청을 버립니다.";
    Stale "stale" 409 Peer
        "Act does not know our last one"
        "The sender has to look at the exchange again before it acts."
        "우리의 마지막 요청을 모르고 보낸 요청입니다"
        "보낸 쪽이 교환 상태를 다시 확인한 뒤 진행해야 합니다.";
    IllegalState "illegal_state" 400 Peer
        "Act is not allowed in this state"
        "Look at the exchange with `naru exchanges`; the message says more."
        "현재 상태에서 허용되지 않는 요청입니다"
        "`naru exchanges`로 교환 상태를 확인하세요. 자세한 내용은 메시지에 있습니다.";
    Lapsed "lapsed" 400 Peer
        "Deadline for concluding has passed"
        "The deal is void for both sides. Start again."
        "체결 기한이 지났습니다"
        "양쪽 모두에게 무효입니다. 다시 시작하세요.";
    KeyHeaderMismatch "key_header_mismatch" 400 Peer
        "Exchange key is missing or not the announced one"
        "The first act of an exchange carries `DXP-Key`, and its digest in the message. A proxy may have removed it."
        "교환 키가 없거나 예고된 것과 다릅니다"
        "첫 메시지에는 `DXP-Key`와 그 다이제스트가 있어야 합니다. 프록시가 지웠을 수 있습니다.";
    Omitted "omitted" 409 Peer
        "Peer does not prove that its log holds its acts"
        "No data moves until it does. It is asked again; call the peer if it stays."
        "상대의 로그에 해당 기록이 있다는 증명이 없습니다"
        "증명될 때까지 데이터를 보내지 않습니다. 다시 요청하며, 계속되면 상대에게 연락하세요.";
    CheckpointInvalid "checkpoint_invalid" 400 Peer
        "Checkpoint does not verify"
        "The peer's log key or origin differs. Its software or its keys have to be corrected."
        "체크포인트가 확인되지 않습니다"
        "상대의 로그 키나 출처가 다릅니다. 상대의 소프트웨어나 키를 바로잡아야 합니다.";
    ProofInvalid "proof_invalid" 409 Peer
        "Proof does not fit the checkpoint"
        "The peer's log is damaged or altered. Keep both checkpoints and call the peer."
        "증명이 체크포인트와 맞지 않습니다"
        "상대의 로그가 손상되었거나 변조되었습니다. 두 체크포인트를 보관하고 상대에게 연락하세요.";
    LogForked "log_forked" 409 Peer
        "Peer signed two histories"
        "Both signed checkpoints are kept as evidence. Trade with this peer stops until its operator explains."
        "상대가 서로 다른 두 기록에 서명했습니다"
        "서명된 두 체크포인트를 증거로 보관합니다. 상대 운영자가 해명할 때까지 거래를 멈춥니다.";
    AckMissing "ack_missing" 500 Peer
        "Answer came without acknowledgement"
        "It counts as unanswered and is repeated. A proxy may remove the header `DXP-Ack`."
        "수신 확인 없이 응답이 왔습니다"
        "응답이 없는 것으로 보고 다시 보냅니다. 프록시가 `DXP-Ack` 헤더를 지웠을 수 있습니다.";
    AckInvalid "ack_invalid" 500 Peer
        "Acknowledgement does not fit the act and its answer"
        "It counts as unanswered and is repeated. Call the peer if it stays."
        "수신 확인이 요청이나 응답과 맞지 않습니다"
        "응답이 없는 것으로 보고 다시 보냅니다. 계속되면 상대에게 연락하세요.";
    Unresolved "unresolved" 500 Transport
        "Peer has not answered for 72 hours"
        "Sending has stopped; any contact with the peer resumes it. Call the peer."
        "72시간 동안 상대의 응답이 없습니다"
        "전송을 멈추었습니다. 상대와 다시 연결되면 이어집니다. 상대에게 연락하세요.";

    // Deals.
    TermsDiffer "terms_differ" 400 Peer
        "Terms differ from what this side knows"
        "The message names the member that differs. Fetch catalog and keys again and propose anew."
        "조건이 이쪽이 아는 내용과 다릅니다"
        "다른 항목이 메시지에 적혀 있습니다. 카탈로그와 키를 다시 받아 새로 제안하세요.";
    TermsVoid "terms_void" 400 Peer
        "Decision is over terms that are no longer on the table"
        "A newer proposal replaced them. Answer that one."
        "이미 교체된 조건에 대한 결정입니다"
        "더 새로운 제안이 있습니다. 그 제안에 답하세요.";
    AgreementDiffers "agreement_differs" 400 Peer
        "Agreement is not the one of the terms"
        "Plain text and signed text must say the same, and exactly what was proposed. Do not sign; call the peer."
        "계약서가 합의한 조건과 다릅니다"
        "평문과 서명문은 서로 같고 제안과 정확히 일치해야 합니다. 서명하지 말고 상대에게 연락하세요.";
    HalfSigned "half_signed" 400 Peer
        "Agreement lacks one of its two signatures"
        "It is signed, not concluded. Nothing may be transferred under it."
        "계약서에 두 서명 중 하나가 없습니다"
        "서명되었지만 체결되지 않았습니다. 이 계약으로는 아무것도 전송할 수 없습니다.";
    NotInForce "not_in_force" 400 Peer
        "Agreement is not in force"
        "Both signatures, FINALIZED and its acknowledgement are needed. See `naru exchanges`."
        "계약이 발효되지 않았습니다"
        "두 서명, FINALIZED, 그 수신 확인이 모두 필요합니다. `naru exchanges`를 확인하세요.";
    AgreementEnded "agreement_ended" 400 Peer
        "Agreement was ended"
        "One side ended it; the reason is in the log. Negotiate anew."
        "종료된 계약입니다"
        "한쪽이 종료했으며 사유는 로그에 있습니다. 다시 협상하세요.";
    DecisionInvalid "decision_invalid" 400 Peer
        "Peer's decision does not fit the terms"
        "It is for other terms, of the wrong time, or lacks duties. The peer has to decide again."
        "상대의 결정이 조건과 맞지 않습니다"
        "다른 조건에 대한 것이거나 시각이 틀렸거나 의무가 빠졌습니다. 상대가 다시 결정해야 합니다.";
    DutyMissing "duty_missing" 400 Policy
        "Terms lack a duty that the law puts on this deal"
        "The counter-proposal lists it; accept that one."
        "법이 요구하는 의무가 조건에 없습니다"
        "수정 제안에 그 의무가 있습니다. 수정 제안을 받아들이세요.";
    ListingUnknown "listing_unknown" 400 Peer
        "Listing is not known"
        "Fetch the catalog again; the dataset may have a newer version."
        "알려지지 않은 등록 정보입니다"
        "카탈로그를 다시 받으세요. 데이터셋에 새 버전이 있을 수 있습니다.";
    ListingExpired "listing_expired" 400 Peer
        "Listing is not valid now"
        "Ask the provider to publish it again."
        "지금 유효하지 않은 등록 정보입니다"
        "제공자에게 다시 게시해 달라고 요청하세요.";
    ListingDiffers "listing_differs" 400 Peer
        "Catalog and signed listing say different things"
        "Do not rely on the catalog; call the provider."
        "카탈로그와 서명된 등록 정보가 다릅니다"
        "카탈로그를 믿지 말고 제공자에게 연락하세요.";
    DatasetNotOffered "dataset_not_offered" 404 Peer
        "Dataset is not offered to this participant"
        "Look for its name in `naru catalog`. The provider may have withdrawn it, or the rules do not show it to you; ask the provider."
        "이 참여자에게 제공되지 않는 데이터셋입니다"
        "`naru catalog`에서 이름을 확인하세요. 제공자가 철회했거나 규정상 보이지 않을 수 있으니 제공자에게 문의하세요.";
    Rejected "rejected" 201 Peer
        "A person rejected the deal"
        "Ask the other firm for its reason."
        "담당자가 거래를 거절했습니다"
        "상대 회사에 사유를 물어보세요.";
    ApprovalPending "approval_pending" 202 Local
        "Deal waits for a person"
        "`naru queue` shows it with its deadline; `naru approve` or `naru reject` decides."
        "담당자의 승인을 기다리고 있습니다"
        "`naru queue`에 기한과 함께 표시됩니다. `naru approve` 또는 `naru reject`로 결정하세요.";
    ApprovalExpired "approval_expired" 201 Peer
        "No person decided in time"
        "Ask the other firm whether it wants the deal, then ask for it again. On the own side: `naru queue` shows what waits and until when."
        "정해진 시간 안에 담당자가 결정하지 않았습니다"
        "상대 회사가 거래를 원하는지 확인한 뒤 다시 요청하세요. 자기 쪽에서 기다리는 건과 기한은 `naru queue`에 표시됩니다.";
    Cancelled "cancelled" 201 Local
        "Ended by the operator"
        "Nothing is to be done; the reason is in the log."
        "운영자가 끝냈습니다"
        "할 일은 없습니다. 사유는 로그에 있습니다.";
    ObligationOverdue "obligation_overdue" 201 Policy
        "A duty of an earlier deal is overdue"
        "`naru obligations` shows which, whose and since when. Whoever owes it deletes or reports; then ask again."
        "이전 거래의 의무 이행 기한이 지났습니다"
        "`naru obligations`에서 어떤 의무가 누구에게 언제부터 밀려 있는지 확인하세요. 의무가 있는 쪽이 삭제하거나 보고한 뒤 다시 요청하세요.";

    // Policy.
    Denied "denied" 201 Policy
        "The rules forbid this deal"
        "Own rules are shown with law and remedy. Of the other side's, `naru exchanges` shows the names that may be told; ask the other side."
        "규정상 허용되지 않는 거래입니다"
        "자기 쪽 규칙은 법령과 해결 방법이 함께 표시됩니다. 상대 쪽 규칙은 공개할 수 있는 이름만 `naru exchanges`에 보이므로 상대에게 문의하세요.";
    Undetermined "undetermined" 201 Policy
        "The rules cannot be judged with the facts at hand"
        "The facts that are missing are shown with the rule that needs them. Whoever is the source for them declares them; then try again."
        "주어진 사실만으로는 규정을 판단할 수 없습니다"
        "부족한 사실은 그것이 필요한 규칙과 함께 표시됩니다. 그 사실을 아는 쪽이 입력한 뒤 다시 시도하세요.";
    PolicyBroken "policy_broken" 201 Policy
        "A policy pack failed"
        "Nothing was allowed. Install the pack again, or tell its publisher."
        "정책 팩이 실패했습니다"
        "아무것도 허용되지 않았습니다. 팩을 다시 설치하거나 발행자에게 알리세요.";
    PolicyExhausted "policy_exhausted" 201 Policy
        "A policy pack used up its fuel or memory"
        "It loops or is too large for its limits. Nothing was allowed; tell its publisher."
        "정책 팩이 실행 한도를 모두 썼습니다"
        "무한 반복이거나 한도에 비해 너무 큽니다. 아무것도 허용되지 않았습니다. 발행자에게 알리세요.";
    PolicyInput "policy_input" 400 Policy
        "Facts for the rules are malformed or too large"
        "The message names the member. Correct the declared facts."
        "규정 판단에 쓸 사실의 형식이 틀렸거나 너무 큽니다"
        "해당 항목이 메시지에 적혀 있습니다. 입력한 사실을 고치세요.";
    PolicyResult "policy_result" 201 Policy
        "A policy pack gave no result of the agreed form"
        "Nothing was allowed. The pack has to be corrected by its publisher."
        "정책 팩의 결과가 정해진 형식이 아닙니다"
        "아무것도 허용되지 않았습니다. 발행자가 팩을 고쳐야 합니다.";
    PacksDiffer "packs_differ" 400 Policy
        "The two sides have different policy packs"
        "The message names the pack and whose is older. That side gets the newer set from the packs' publisher: `naru packs add FILE`."
        "양쪽의 정책 팩이 다릅니다"
        "메시지에 팩과 어느 쪽이 오래되었는지 적혀 있습니다. 그쪽이 발행자에게서 새 팩을 받아 `naru packs add FILE`로 설치하세요.";
    SignersMissing "signers_missing" 403 Policy
        "Not enough of the configured signers have signed it"
        "Nothing changed. Get the file with all signatures, or see `[packs]` in naru.toml: who signs, and how many have to."
        "설정된 서명자의 서명이 모자랍니다"
        "바뀐 것은 없습니다. 서명이 모두 든 파일을 받거나 naru.toml의 `[packs]`에서 서명자와 필요한 수를 확인하세요.";
    SupplyExpired "supply_expired" 400 Policy
        "Signed packs or data are past their time"
        "Nothing changed. Get newer ones from their publisher: `naru packs add FILE` or `naru data add FILE`."
        "서명된 팩이나 자료의 유효 기간이 지났습니다"
        "바뀐 것은 없습니다. 발행자에게서 새것을 받아 `naru packs add FILE` 또는 `naru data add FILE`을 실행하세요.";
    SupplyOlder "supply_older" 409 Policy
        "Signed packs or data are older than those that were accepted"
        "Nothing changed. `naru packs list` and `naru data list` show what was accepted."
        "이미 받아들인 것보다 오래된 팩이나 자료입니다"
        "바뀐 것은 없습니다. 받아들인 것은 `naru packs list`와 `naru data list`에 나옵니다.";
    PermitExpired "permit_expired" 403 Policy
        "Permit no longer holds"
        "The law, the facts or a stop order changed. `naru exchanges` says which."
        "허가가 더 이상 유효하지 않습니다"
        "법령, 사실, 또는 중지 명령이 바뀌었습니다. `naru exchanges`으로 확인하세요.";
    PermitInvalid "permit_invalid" 403 Policy
        "Evaluation record does not say what the permit needs"
        "Nothing was allowed. Evaluate again."
        "판단 기록이 허가에 필요한 내용과 다릅니다"
        "아무것도 허용되지 않았습니다. 다시 판단하세요.";
    BundleMissing "bundle_missing" 500 Policy
        "No policy pack for this jurisdiction"
        "Install the pack of each country that takes part."
        "이 관할의 정책 팩이 없습니다"
        "참여하는 각 나라의 팩을 설치하세요.";
    BundleTruncated "bundle_truncated" 500 Policy
        "Policy bundle is cut short"
        "Fetch the file again."
        "정책 번들이 잘렸습니다"
        "파일을 다시 받으세요.";
    BundleTooLarge "bundle_too_large" 500 Policy
        "Policy bundle is larger than allowed"
        "See the table of limits. It may be a decompression bomb; do not install it."
        "정책 번들이 허용 크기를 넘었습니다"
        "한도 표를 확인하세요. 압축 폭탄일 수 있으니 설치하지 마세요.";
    BundleMalformed "bundle_malformed" 500 Policy
        "Policy bundle is malformed"
        "Build it with `opa build -t wasm`, or fetch it again."
        "정책 번들의 형식이 올바르지 않습니다"
        "`opa build -t wasm`으로 만들거나 다시 받으세요.";
    BundleHostFunctions "bundle_host_functions" 500 Policy
        "Policy bundle asks for functions of the host"
        "Packs see only their input. Remove calls of network, time and other built-ins that need a host."
        "정책 번들이 호스트 함수를 요구합니다"
        "팩은 입력만 볼 수 있습니다. 네트워크, 시간 등 호스트가 필요한 내장 함수를 없애세요.";
    BundleEntrypoint "bundle_entrypoint" 500 Policy
        "Policy bundle lacks an entrypoint"
        "See the specification for the entrypoints that a pack has."
        "정책 번들에 진입점이 없습니다"
        "팩에 있어야 할 진입점은 명세를 확인하세요.";
    BundleDigest "bundle_digest" 500 Policy
        "Policy bundle is not the one that was agreed"
        "Install the pack with the digest that the message names."
        "합의한 정책 번들이 아닙니다"
        "메시지에 적힌 다이제스트의 팩을 설치하세요.";

    // Data.
    SourceMissing "source_missing" 500 Local
        "Published file is gone"
        "Put it back, or publish a new version. The message names the path."
        "게시한 파일이 사라졌습니다"
        "파일을 되돌리거나 새 버전을 게시하세요. 경로는 메시지에 있습니다.";
    SourceChanged "source_changed" 500 Local
        "Published file has changed"
        "A version is immutable: put the old bytes back, or publish a new version."
        "게시한 파일이 바뀌었습니다"
        "버전은 바뀔 수 없습니다. 원래 파일을 되돌리거나 새 버전을 게시하세요.";
    PathRefused "path_refused" 400 Peer
        "File list names a path that is not allowed"
        "Paths are relative, with `/`, without `..` and control characters, and no two differ only in case or in the form of their letters. Nothing was written."
        "파일 목록에 허용되지 않는 경로가 있습니다"
        "경로는 `/`를 쓰는 상대 경로이며 `..`이나 제어 문자를 쓸 수 없고, 대소문자나 글자 조합 방식만 다른 두 이름도 쓸 수 없습니다. 아무것도 쓰지 않았습니다.";
    FileListDiffers "file_list_differs" 400 Peer
        "File list is not the agreed one"
        "It does not have the digest, sizes or order that the content root covers. Nothing was taken; call the provider."
        "파일 목록이 합의한 것과 다릅니다"
        "다이제스트, 크기 또는 순서가 콘텐츠 루트와 다릅니다. 아무것도 받지 않았습니다. 제공자에게 연락하세요.";
    ChunkCorrupt "chunk_corrupt" 500 Peer
        "Data has another hash than agreed"
        "It was fetched again several times and stays wrong. The message names file and chunk; call the provider."
        "데이터의 해시가 합의한 것과 다릅니다"
        "여러 번 다시 받았지만 계속 다릅니다. 파일과 조각은 메시지에 있습니다. 제공자에게 연락하세요.";
    SizeDiffers "size_differs" 500 Peer
        "File has another size than agreed"
        "Nothing beyond the agreed size was taken; call the provider."
        "파일 크기가 합의한 것과 다릅니다"
        "합의한 크기를 넘는 데이터는 받지 않았습니다. 제공자에게 연락하세요.";
    RangeInvalid "range_invalid" 416 Peer
        "Range is not within the file"
        "The consumer's software has to be corrected."
        "범위가 파일을 벗어났습니다"
        "소비자 쪽 소프트웨어를 고쳐야 합니다.";
    CapabilityInvalid "capability_invalid" 401 Peer
        "Capability does not stand for this transfer"
        "A fresh one is fetched by itself."
        "이 전송에 맞지 않는 접근 권한입니다"
        "새 권한을 자동으로 받습니다.";
    CapabilityExpired "capability_expired" 401 Peer
        "Capability has expired"
        "A fresh one is fetched by itself."
        "접근 권한이 만료되었습니다"
        "새 권한을 자동으로 받습니다.";
    WindowExceeded "window_exceeded" 429 Peer
        "Two windows are unacknowledged"
        "The consumer has to acknowledge what it verified before it takes more."
        "확인되지 않은 구간이 두 개 있습니다"
        "소비자는 검증한 데이터를 확인한 뒤 더 받을 수 있습니다.";
    WindowInvalid "window_invalid" 400 Peer
        "Window acknowledgement does not fit the data"
        "The consumer's software has to be corrected."
        "구간 확인이 데이터와 맞지 않습니다"
        "소비자 쪽 소프트웨어를 고쳐야 합니다.";
    ReceiptInvalid "receipt_invalid" 400 Peer
        "Data receipt does not fit the agreement"
        "It must name the agreed content root, files and bytes."
        "데이터 영수증이 계약과 맞지 않습니다"
        "합의한 콘텐츠 루트, 파일 수, 바이트 수가 적혀 있어야 합니다.";
    ReportInvalid "report_invalid" 400 Peer
        "Report does not fit the agreement"
        "It must name the agreement and a duty that the terms put on its sender, word for word, and what its kind asks for."
        "보고가 계약과 맞지 않습니다"
        "계약과, 조건이 보낸 쪽에 지운 의무를 그대로 적고, 그 종류에 필요한 항목을 갖추어야 합니다.";

    // The way.
    Unreachable "unreachable" 500 Transport
        "Peer cannot be reached"
        "Check that the peer's node runs, its address and the network. What is signed is sent again by itself; a command is given again."
        "상대에게 연결할 수 없습니다"
        "상대 노드가 켜져 있는지, 주소와 네트워크가 맞는지 확인하세요. 서명된 것은 자동으로 다시 보내며, 명령은 다시 실행하세요.";
    TimedOut "timed_out" 504 Transport
        "Peer did not answer in time"
        "What is signed is sent again by itself and never done twice; a command is given again."
        "상대가 제때 응답하지 않았습니다"
        "서명된 것은 자동으로 다시 보내며 두 번 처리되지 않습니다. 명령은 다시 실행하세요.";
    ConnectionLost "connection_lost" 500 Transport
        "Connection was lost"
        "A deal goes on where it stopped as soon as the peer is reached; a command is given again."
        "연결이 끊어졌습니다"
        "다시 연결되면 거래는 멈춘 곳부터 이어집니다. 명령은 다시 실행하세요.";
    AddressRefused "address_refused" 500 Transport
        "Address of the peer is not on the public internet"
        "Nothing was sent. If the peer is in your own network, allow local addresses for it."
        "상대의 주소가 공용 인터넷 주소가 아닙니다"
        "아무것도 보내지 않았습니다. 상대가 내부망에 있다면 그 상대에게 로컬 주소를 허용하세요.";
    ProxyRefused "proxy_refused" 500 Transport
        "Proxy of this network did not connect"
        "The message says why. Check `network.proxy` and its credentials (`naru config show`), and that the proxy allows this port."
        "이 네트워크의 프록시가 연결하지 않았습니다"
        "이유가 메시지에 있습니다. `network.proxy`와 인증 정보(`naru config show`), 프록시가 이 포트를 허용하는지 확인하세요.";
    TlsFailed "tls_failed" 500 Transport
        "Secure connection failed"
        "Certificate or peer id is not the expected one. A proxy may be inspecting the traffic."
        "보안 연결에 실패했습니다"
        "인증서나 피어 ID가 예상과 다릅니다. 프록시가 통신을 검사하고 있을 수 있습니다.";
    Redirected "redirected" 500 Transport
        "Peer answered with a redirect"
        "Redirects are never followed. Correct the address of the peer."
        "상대가 다른 주소로 보내는 응답을 했습니다"
        "리디렉션은 따라가지 않습니다. 상대의 주소를 고치세요.";
    AnswerMalformed "answer_malformed" 502 Peer
        "Answer of the peer is malformed"
        "It counts as unanswered. The peer's software has to be corrected."
        "상대의 응답 형식이 올바르지 않습니다"
        "응답이 없는 것으로 봅니다. 상대의 소프트웨어를 고쳐야 합니다.";

    // The store.
    DiskFull "disk_full" 503 Store
        "Disk is full"
        "Free space in the folder that the message names. Nothing is lost; what was under way goes on by itself."
        "디스크가 가득 찼습니다"
        "메시지에 적힌 폴더의 공간을 비우세요. 잃은 것은 없으며 진행 중이던 일은 자동으로 이어집니다.";
    StoreUnavailable "store_unavailable" 503 Store
        "Data folder cannot be read or written"
        "Check permissions and the disk. Nothing was promised."
        "데이터 폴더를 읽거나 쓸 수 없습니다"
        "권한과 디스크를 확인하세요. 약속된 것은 없습니다.";
    StoreCorrupt "store_corrupt" 500 Store
        "Database is damaged"
        "Do not delete it. Stop the node, keep a copy, and put the newest good copy of the folder in its place."
        "데이터베이스가 손상되었습니다"
        "지우지 마세요. 노드를 멈추고 사본을 보관한 뒤 가장 최근의 온전한 폴더로 되돌리세요.";
    StoreNewer "store_newer" 500 Store
        "Database is of a newer version of this program"
        "Run the newer program."
        "더 새로운 프로그램 버전의 데이터베이스입니다"
        "더 새로운 프로그램을 실행하세요.";
    StoreRolledBack "store_rolled_back" 500 Store
        "Database is older than what was already sent"
        "It was copied back from a snapshot. Put the newest copy there: signing on from an old one would make two histories."
        "데이터베이스가 이미 보낸 기록보다 오래되었습니다"
        "스냅숏에서 되돌려진 상태입니다. 가장 최근의 사본을 두세요. 오래된 것에 이어 서명하면 두 개의 역사가 됩니다.";
    FolderLocked "folder_locked" 500 Store
        "Another process uses this data folder"
        "Stop it first; two processes must never sign one log."
        "다른 프로세스가 이 데이터 폴더를 쓰고 있습니다"
        "먼저 그 프로세스를 끝내세요. 두 프로세스가 한 로그에 서명하면 안 됩니다.";
    NotInitialised "not_initialised" 500 Store
        "No node in this folder"
        "Run `naru init`, or name the folder with `--dir`."
        "이 폴더에 노드가 없습니다"
        "`naru init`을 실행하거나 `--dir`으로 폴더를 지정하세요.";
    AlreadyInitialised "already_initialised" 500 Store
        "There is a node in this folder already"
        "Use it, or name another folder with `--dir`."
        "이 폴더에 이미 노드가 있습니다"
        "그 노드를 쓰거나 `--dir`으로 다른 폴더를 지정하세요.";
    FolderVersion "folder_version" 500 Store
        "Folder is of another version of this program"
        "Run the version that made it, or the newer one; a folder of an older form is taken over as CHANGELOG.md says. Nothing was changed."
        "다른 버전의 프로그램이 만든 폴더입니다"
        "만든 버전이나 더 새로운 버전으로 실행하세요. 이전 형식의 폴더를 옮기는 방법은 CHANGELOG.md에 있습니다. 바뀐 것은 없습니다.";
    BackupInvalid "backup_invalid" 500 Store
        "Backup is damaged or not one of a node"
        "Take another backup. Nothing was restored."
        "백업이 손상되었거나 노드의 백업이 아닙니다"
        "다른 백업을 쓰세요. 아무것도 복원하지 않았습니다.";
    KeyFileUnusable "key_file_unusable" 500 Store
        "Key file is missing, unreadable or of another participant"
        "Put the right file back from your backup of the keys."
        "키 파일이 없거나 읽을 수 없거나 다른 참여자의 것입니다"
        "키 백업에서 올바른 파일을 되돌리세요.";
    KeysSealed "keys_sealed" 500 Local
        "Key files are under a passphrase that is not there or does not fit"
        "Name the file that holds the passphrase in NARU_PASSPHRASE_FILE, or run the command at a terminal, where it is asked for."
        "키 파일이 암호 문구로 봉해져 있는데 그 문구가 없거나 맞지 않습니다"
        "암호 문구가 든 파일을 NARU_PASSPHRASE_FILE 로 지정하거나, 문구를 물을 수 있게 터미널에서 실행하세요.";
    KeyFileOpen "key_file_open" 500 Store
        "Key file can be read by others"
        "Set its permissions so that only its owner reads it (0600)."
        "다른 사용자가 키 파일을 읽을 수 있습니다"
        "소유자만 읽을 수 있도록 권한(0600)을 설정하세요.";

    // The command and its configuration.
    NotRunning "not_running" 500 Local
        "No node runs in this folder"
        "Start it with `naru run --dir FOLDER`, and leave it running."
        "이 폴더에서 실행 중인 노드가 없습니다"
        "`naru run --dir 폴더` 로 노드를 시작하고 켜 두세요.";
    FileUnusable "file_unusable" 500 Local
        "File or folder cannot be read or written"
        "The message names it and what the system said. Check that it exists and that this user may use it."
        "파일이나 폴더를 읽거나 쓸 수 없습니다"
        "대상과 시스템이 알린 원인이 메시지에 있습니다. 존재하는지, 이 사용자에게 권한이 있는지 확인하세요.";
    PortInUse "port_in_use" 500 Local
        "Port is in use"
        "Another program, perhaps another node, listens there. Choose another port or stop that program."
        "포트가 이미 사용 중입니다"
        "다른 프로그램이나 노드가 그 포트를 쓰고 있습니다. 다른 포트를 고르거나 그 프로그램을 끝내세요.";
    AddressInvalid "address_invalid" 500 Local
        "Address is not one that this node speaks"
        "Write for example `/ip4/0.0.0.0/tcp/4801`, or `https://naru.example:4443`."
        "이 노드가 쓸 수 있는 주소가 아닙니다"
        "예를 들어 `/ip4/0.0.0.0/tcp/4801` 또는 `https://naru.example:4443`처럼 쓰세요.";
    ConfigInvalid "config_invalid" 500 Local
        "Configuration is invalid"
        "The message names file, line and key."
        "설정이 올바르지 않습니다"
        "파일, 줄, 키가 메시지에 있습니다.";
    ArgumentInvalid "argument_invalid" 400 Local
        "Argument is invalid"
        "The message says what does not fit; `naru help COMMAND` shows the form."
        "인수가 올바르지 않습니다"
        "무엇이 맞지 않는지 메시지에 있습니다. 형식은 `naru help 명령`에서 확인하세요.";
    ClockWrong "clock_wrong" 500 Local
        "Clock of this machine went back"
        "Set the clock and keep it synchronised; partners refuse what is signed by a clock that is more than a minute off, and it is sent again once it is right."
        "이 컴퓨터의 시계가 뒤로 갔습니다"
        "시계를 맞추고 동기화하세요. 1분 넘게 틀린 시계로 서명한 것은 상대가 거절하며, 시계가 맞으면 다시 보냅니다.";
    ManagementToken "management_token" 401 Local
        "Management API was asked without a token that holds"
        "`naru token --dir FOLDER --scope read` prints one; it may have expired, been revoked, or be of another node."
        "유효한 토큰 없이 관리 API를 요청했습니다"
        "`naru token --dir 폴더 --scope read`로 발급하세요. 만료되었거나 폐기되었거나 다른 노드의 토큰일 수 있습니다.";
    ScopeMissing "scope_missing" 403 Local
        "Token does not cover what was asked"
        "Use a token of the scope that the message names: `naru token --dir FOLDER --scope SCOPE` prints one."
        "토큰의 권한 범위를 벗어난 요청입니다"
        "메시지에 적힌 범위의 토큰을 쓰세요. `naru token --dir 폴더 --scope 범위`로 발급합니다.";
    OriginRefused "origin_refused" 403 Local
        "Management API is not for web pages or other host names"
        "Ask it as 127.0.0.1 or localhost at its own port, and from a program, not from a page in a browser."
        "관리 API는 웹 페이지나 다른 호스트 이름으로는 쓸 수 없습니다"
        "브라우저의 페이지가 아니라 프로그램에서 127.0.0.1 또는 localhost와 해당 포트로 요청하세요.";
    NotReady "not_ready" 503 Local
        "Node is starting or stopping"
        "Ask again in a moment; `/ready` says what it waits for."
        "노드가 시작 중이거나 종료 중입니다"
        "잠시 후 다시 요청하세요. 무엇을 기다리는지는 `/ready`에서 확인할 수 있습니다.";
    CertificateInvalid "certificate_invalid" 500 Local
        "Certificate of the HTTPS door cannot be used"
        "The message says why. Put a certificate there that is valid now and names the host of `https.url`, then restart the node."
        "HTTPS 문의 인증서를 쓸 수 없습니다"
        "이유는 메시지에 있습니다. 지금 유효하고 `https.url`의 호스트가 적힌 인증서로 바꾼 뒤 노드를 다시 시작하세요.";
    PeerNotNamed "peer_not_named" 404 Local
        "No peer under this name here"
        "`naru peers` lists them. A new partner comes by `naru trust` or by one of our tickets."
        "이 이름의 상대가 없습니다"
        "`naru peers`에서 목록을 확인하세요. 새 상대는 `naru trust`나 우리 티켓으로 추가됩니다.";
    FolderOccupied "folder_occupied" 400 Local
        "Folder cannot take these files"
        "Name a folder that is new or empty, or one in which an earlier `get` of the same content left a part, outside of the node's own."
        "이 폴더에는 받을 수 없습니다"
        "새 폴더나 빈 폴더, 또는 같은 내용을 받다가 만 폴더를 노드의 폴더 밖에서 지정하세요.";
    DatasetUnknown "dataset_unknown" 404 Local
        "No dataset under this name here"
        "See `naru datasets` for what is published."
        "이 이름의 데이터셋이 없습니다"
        "게시된 목록은 `naru datasets`에서 확인하세요.";
    DatasetEmpty "dataset_empty" 400 Local
        "Nothing to publish at this path"
        "Name a file, or a folder with at least one file."
        "이 경로에 게시할 것이 없습니다"
        "파일 하나 또는 파일이 있는 폴더를 지정하세요.";
    PublishLimit "publish_limit" 400 Local
        "More than this node may publish"
        "Publish a smaller folder, or have the operator raise `publish.max_size` or `publish.max_files` in naru.toml and restart the node."
        "이 노드가 게시할 수 있는 한도를 넘습니다"
        "더 작은 폴더를 게시하거나, 운영자가 naru.toml의 `publish.max_size` 또는 `publish.max_files`를 올린 뒤 노드를 다시 시작하세요.";
    DeclarationContradicted "declaration_contradicted" 409 Local
        "What the files hold contradicts what is declared"
        "Take what was found out of the files, or declare it: `--fact personal.kind=personal` with `personal.identifiers`. If it is not what it looks like, `--despite-findings` publishes and keeps that in the listing."
        "파일에 있는 것이 선언한 것과 어긋납니다"
        "찾은 것을 파일에서 지우거나 선언하세요: `--fact personal.kind=personal` 과 `personal.identifiers`. 보이는 것과 다르다면 `--despite-findings` 로 게시하며, 그 사실이 목록에 남습니다.";

    // Evidence.
    EvidenceMalformed "evidence_malformed" 400 Local
        "Evidence file is malformed or cut short"
        "Ask for it again; the message names the part."
        "증거 파일의 형식이 틀렸거나 잘렸습니다"
        "다시 요청하세요. 해당 부분이 메시지에 있습니다.";
    EvidenceIncomplete "evidence_incomplete" 400 Local
        "Evidence lacks a part that the verdict needs"
        "Ask the party that made it for the part that the report names."
        "판정에 필요한 증거가 빠져 있습니다"
        "보고서에 적힌 부분을 작성자에게 요청하세요.";
    NotDisclosed "not_disclosed" 403 Peer
        "Field was not disclosed to this auditor"
        "Ask the party for the disclosure; until then nothing follows from the field."
        "이 감사인에게 공개되지 않은 항목입니다"
        "당사자에게 공개를 요청하세요. 그 전에는 이 항목에서 아무 결론도 낼 수 없습니다.";
    HalvesDiffer "halves_differ" 400 Peer
        "The two logs tell different things about one act"
        "The report shows both entries. At least one side signed something untrue."
        "한 요청에 대해 두 로그의 내용이 다릅니다"
        "보고서에 두 기록이 모두 있습니다. 적어도 한쪽이 사실과 다른 것에 서명했습니다.";
    ResultDiffers "result_differs" 400 Policy
        "Running the policy again gives another result"
        "The record, the packs or the input are not those of the decision."
        "정책을 다시 실행한 결과가 다릅니다"
        "기록, 팩 또는 입력이 결정 당시의 것이 아닙니다.";
}
