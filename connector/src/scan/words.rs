//! What is said of each kind of finding and of each reason for not reading, in English and Korean.

use super::{Kind, Reason, Sure};

/// A text in both languages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Words {
    /// English.
    pub en: &'static str,
    /// Korean.
    pub ko: &'static str,
}

const fn words(en: &'static str, ko: &'static str) -> Words {
    Words { en, ko }
}

/// What a kind is called.
#[must_use]
pub const fn kind(kind: Kind) -> Words {
    match kind {
        Kind::ResidentNumber => words("resident registration numbers", "주민등록번호"),
        Kind::ForeignerNumber => words("foreigner registration numbers", "외국인등록번호"),
        Kind::CardNumber => words("payment card numbers", "카드번호"),
        Kind::Phone => words("telephone numbers", "전화번호"),
        Kind::Email => words("e-mail addresses", "전자우편 주소"),
        Kind::Vin => words("vehicle identification numbers", "차대번호"),
        Kind::Position => words("positions", "위치 좌표"),
        Kind::BusinessNumber => words("business registration numbers", "사업자등록번호"),
        Kind::PersonColumn => words("columns or properties that speak of persons", "사람에 관한 열이나 속성"),
    }
}

/// What to think of, where such a kind is found.
#[must_use]
pub const fn advice(kind: Kind) -> Words {
    match kind {
        Kind::ResidentNumber => words(
            "Processing needs a statute that names it (PIPA art. 24-2). Remove the column, or declare `rrn` and the statute.",
            "처리하려면 이를 정한 법령이 있어야 합니다(개인정보 보호법 제24조의2). 열을 지우거나 `rrn`과 근거 법령을 밝히십시오.",
        ),
        Kind::ForeignerNumber => words(
            "Unique identifying information (PIPA art. 24). Remove it, or declare personal data and their basis.",
            "고유식별정보입니다(개인정보 보호법 제24조). 지우거나 개인정보와 그 근거를 밝히십시오.",
        ),
        Kind::CardNumber => words(
            "Personal credit information. Remove it, or declare `personal_credit`.",
            "개인신용정보입니다. 지우거나 `personal_credit`을 밝히십시오.",
        ),
        Kind::Phone | Kind::Email => words(
            "Personal data, unless it is a firm's. Remove it, or declare personal data and the basis for the transfer.",
            "회사의 것이 아니면 개인정보입니다. 지우거나 개인정보와 이전 근거를 밝히십시오.",
        ),
        Kind::Vin => words(
            "Leads to the owner of a vehicle. Replace it by a number that leads nowhere, or declare personal data.",
            "차량 소유자를 알 수 있습니다. 알 수 없는 번호로 바꾸거나 개인정보로 밝히십시오.",
        ),
        Kind::Position => words(
            "May show where a person was, or what maps must not show. Make it coarser, or declare location and map data.",
            "사람이 있던 곳이나 지도에 실을 수 없는 것을 드러낼 수 있습니다. 거칠게 하거나 위치·지도 정보로 밝히십시오.",
        ),
        Kind::BusinessNumber => words(
            "Names a firm; of a sole trader it is personal data too.",
            "사업자를 가리킵니다. 개인사업자라면 개인정보이기도 합니다.",
        ),
        Kind::PersonColumn => words(
            "Look whether it holds persons. If so, remove it or declare personal data.",
            "사람에 관한 것인지 살펴보십시오. 그렇다면 지우거나 개인정보로 밝히십시오.",
        ),
    }
}

/// How sure a finding is.
#[must_use]
pub const fn sure(sure: Sure) -> Words {
    match sure {
        Sure::Certain => words("found", "있음"),
        Sure::Possible => words(
            "possible: the form is right, no check can tell",
            "있을 수 있음: 형식은 맞으나 검증할 수 없음",
        ),
        Sure::Unlikely => words("by chance, as far as checks tell", "검증 결과 우연으로 보임"),
    }
}

/// Why something was not read.
#[must_use]
pub const fn reason(reason: Reason) -> Words {
    match reason {
        Reason::Unsupported => words("this kind of file is not read", "읽을 수 없는 종류의 파일"),
        Reason::ContentNotLookedAt => {
            words("what pictures show and sound says is not looked at", "그림과 소리의 내용은 살펴보지 않음")
        }
        Reason::Damaged => words("damaged, or not what it says it is", "손상되었거나 형식이 다름"),
        Reason::Encrypted => {
            words("protected by a password or rights management", "암호나 권한 관리로 보호됨")
        }
        Reason::TooLarge => words("larger than what is read", "읽는 한도보다 큼"),
        Reason::Unpacks => words("unpacks to more than what is read", "풀면 읽는 한도보다 큼"),
        Reason::TooDeep => words("nested deeper than what is read", "읽는 한도보다 깊이 겹침"),
        Reason::Packing => words("packed in a way that is not read", "읽을 수 없는 압축 방식"),
        Reason::Parts => {
            words("some parts are written in a way that is not read", "일부가 읽을 수 없는 방식으로 쓰임")
        }
        Reason::Encoding => words("in no known encoding of text", "알 수 없는 문자 인코딩"),
        Reason::Io => words("could not be read from the disk", "디스크에서 읽지 못함"),
    }
}
