//! Which country codes are in use (ISO 3166-1 alpha-2), for what the operator types and what
//! an offer names: elsewhere on the wire two capital letters do.

use naru_protocol::error::Code;

use super::NodeError;

/// All codes that are assigned, in order.
const ASSIGNED: &str = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW \
     BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA \
     GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH \
     KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY \
     MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH \
     SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI \
     VN VU WF WS YE YT ZA ZM ZW";

/// Whether a country has this code.
#[must_use]
pub fn is_assigned(code: &str) -> bool {
    ASSIGNED.split_ascii_whitespace().any(|known| known == code)
}

/// Refuses the first that is no country's.
pub(super) fn known(codes: &[String]) -> Result<(), NodeError> {
    match codes.iter().find(|code| !is_assigned(code)) {
        None => Ok(()),
        Some(code) => Err(NodeError::refused(
            Code::ArgumentInvalid,
            format!("{code:?} is no country: two capital letters of ISO 3166-1, such as KR"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_countries_and_no_others() {
        assert_eq!(ASSIGNED.split_ascii_whitespace().count(), 249);
        for code in ["KR", "SG", "AD", "ZW"] {
            assert!(is_assigned(code), "{code}");
        }
        for code in ["ZZ", "XX", "kr", "KOR", "", "K", "KR SG", " KR"] {
            assert!(!is_assigned(code), "{code:?}");
        }
    }
}
