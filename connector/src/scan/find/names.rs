//! Names of columns that say what their cells are, in Korean and English.

use super::{Kind, Sure};

/// What a column's name says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::scan) enum Said {
    /// Cells are of this kind.
    Kind(Kind),
    /// Cells speak of persons, as surely as this.
    Person(Sure),
    /// Cells are latitudes.
    Latitude,
    /// Cells are longitudes.
    Longitude,
}

/// Names without spaces and signs, in lower case. The first that fits holds; `*` stands for any beginning or end.
const NAMES: &[(&str, Said)] = &[
    ("*주민등록번호*", Said::Kind(Kind::ResidentNumber)),
    ("*주민번호*", Said::Kind(Kind::ResidentNumber)),
    ("*residentregistration*", Said::Kind(Kind::ResidentNumber)),
    ("rrn", Said::Kind(Kind::ResidentNumber)),
    ("jumin*", Said::Kind(Kind::ResidentNumber)),
    ("*외국인등록번호*", Said::Kind(Kind::ForeignerNumber)),
    ("*alienregistration*", Said::Kind(Kind::ForeignerNumber)),
    ("*foreignerregistration*", Said::Kind(Kind::ForeignerNumber)),
    ("*카드번호*", Said::Kind(Kind::CardNumber)),
    ("cardno", Said::Kind(Kind::CardNumber)),
    ("*cardnumber", Said::Kind(Kind::CardNumber)),
    ("*사업자등록번호*", Said::Kind(Kind::BusinessNumber)),
    ("*사업자번호*", Said::Kind(Kind::BusinessNumber)),
    ("businessnumber", Said::Kind(Kind::BusinessNumber)),
    ("bizno", Said::Kind(Kind::BusinessNumber)),
    ("brn", Said::Kind(Kind::BusinessNumber)),
    ("*차대번호*", Said::Kind(Kind::Vin)),
    ("vin", Said::Kind(Kind::Vin)),
    ("vinno", Said::Kind(Kind::Vin)),
    ("vinnumber", Said::Kind(Kind::Vin)),
    ("chassisno", Said::Kind(Kind::Vin)),
    ("chassisnumber", Said::Kind(Kind::Vin)),
    ("*전화번호*", Said::Kind(Kind::Phone)),
    ("전화", Said::Kind(Kind::Phone)),
    ("*휴대폰*", Said::Kind(Kind::Phone)),
    ("*휴대전화*", Said::Kind(Kind::Phone)),
    ("*핸드폰*", Said::Kind(Kind::Phone)),
    ("*연락처*", Said::Kind(Kind::Phone)),
    ("*phone", Said::Kind(Kind::Phone)),
    ("phoneno", Said::Kind(Kind::Phone)),
    ("*phonenumber", Said::Kind(Kind::Phone)),
    ("mobile", Said::Kind(Kind::Phone)),
    ("mobileno", Said::Kind(Kind::Phone)),
    ("tel", Said::Kind(Kind::Phone)),
    ("telno", Said::Kind(Kind::Phone)),
    ("*이메일*", Said::Kind(Kind::Email)),
    ("*전자우편*", Said::Kind(Kind::Email)),
    ("*email", Said::Kind(Kind::Email)),
    ("*emailaddress", Said::Kind(Kind::Email)),
    // Pairs of GeoJSON, whose order is not told apart.
    ("coordinates", Said::Latitude),
    ("위도*", Said::Latitude),
    ("*latitude", Said::Latitude),
    ("lat", Said::Latitude),
    ("gpslat", Said::Latitude),
    ("latdeg", Said::Latitude),
    ("경도", Said::Longitude),
    ("경도좌표", Said::Longitude),
    ("*longitude", Said::Longitude),
    ("lon", Said::Longitude),
    ("lng", Said::Longitude),
    ("long", Said::Longitude),
    ("gpslon", Said::Longitude),
    ("gpslng", Said::Longitude),
    ("londeg", Said::Longitude),
    ("*성명", Said::Person(Sure::Certain)),
    ("*생년월일", Said::Person(Sure::Certain)),
    ("*birthdate", Said::Person(Sure::Certain)),
    ("*dateofbirth", Said::Person(Sure::Certain)),
    ("dob", Said::Person(Sure::Certain)),
    ("*firstname", Said::Person(Sure::Certain)),
    ("*lastname", Said::Person(Sure::Certain)),
    ("*surname", Said::Person(Sure::Certain)),
    ("*fullname", Said::Person(Sure::Certain)),
    ("*여권번호*", Said::Person(Sure::Certain)),
    ("passportno", Said::Person(Sure::Certain)),
    ("passportnumber", Said::Person(Sure::Certain)),
    ("*운전면허*", Said::Person(Sure::Certain)),
    ("*환자*", Said::Person(Sure::Certain)),
    ("patient*", Said::Person(Sure::Certain)),
    ("*집주소", Said::Person(Sure::Certain)),
    ("homeaddress", Said::Person(Sure::Certain)),
    ("*사번", Said::Person(Sure::Certain)),
    ("employeeid", Said::Person(Sure::Certain)),
    ("employeeno", Said::Person(Sure::Certain)),
    ("*고객명", Said::Person(Sure::Possible)),
    ("*이름", Said::Person(Sure::Possible)),
    ("name", Said::Person(Sure::Possible)),
    ("*작업자*", Said::Person(Sure::Possible)),
    ("*담당자*", Said::Person(Sure::Possible)),
    ("*검사자*", Said::Person(Sure::Possible)),
    ("*운전자*", Said::Person(Sure::Possible)),
    ("*소유자*", Said::Person(Sure::Possible)),
    ("*worker", Said::Person(Sure::Possible)),
    ("*workername", Said::Person(Sure::Possible)),
    ("operatorname", Said::Person(Sure::Possible)),
    ("operator", Said::Person(Sure::Possible)),
    ("inspector", Said::Person(Sure::Possible)),
    ("driver", Said::Person(Sure::Possible)),
    ("drivername", Said::Person(Sure::Possible)),
    ("owner", Said::Person(Sure::Possible)),
    ("ownername", Said::Person(Sure::Possible)),
    ("customername", Said::Person(Sure::Possible)),
    ("username", Said::Person(Sure::Possible)),
    ("userid", Said::Person(Sure::Possible)),
    ("주소", Said::Person(Sure::Possible)),
    ("성별", Said::Person(Sure::Possible)),
    ("gender", Said::Person(Sure::Possible)),
    ("나이", Said::Person(Sure::Possible)),
    ("차량번호", Said::Person(Sure::Possible)),
    ("licenseplate", Said::Person(Sure::Possible)),
    ("차주*", Said::Person(Sure::Certain)),
];

/// What this name says, if it says anything.
pub(in crate::scan) fn said(name: &str) -> Option<Said> {
    // The last part of a path in nested data is the name.
    let name = name.rsplit('.').next().unwrap_or(name);
    let bare: String = name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    NAMES.iter().find(|(pattern, _)| fits(pattern, &bare)).map(|(_, said)| *said)
}

fn fits(pattern: &str, name: &str) -> bool {
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(_), Some(_)) => name.contains(pattern.trim_matches('*')),
        (Some(end), None) => name.ends_with(end),
        (None, Some(begin)) => name.starts_with(begin),
        (None, None) => name == pattern,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_speak() {
        assert_eq!(said("주민등록번호(앞)"), Some(Said::Kind(Kind::ResidentNumber)));
        assert_eq!(said("VIN"), Some(Said::Kind(Kind::Vin)));
        assert_eq!(said("customer.e-mail"), Some(Said::Kind(Kind::Email)));
        assert_eq!(said("GPS_Lat"), Some(Said::Latitude));
        assert_eq!(said("경도"), Some(Said::Longitude));
        assert_eq!(said("고객 성명"), Some(Said::Person(Sure::Certain)));
        assert_eq!(said("Name"), Some(Said::Person(Sure::Possible)));
    }

    #[test]
    fn names_of_machines_say_nothing() {
        for name in [
            "ts",
            "torque_cmd",
            "part_name",
            "file name",
            "hostname",
            "플라즈마경도",
            "latency",
            "vinyl",
            "telemetry",
            "전화재",
        ] {
            assert_eq!(said(name), None, "{name}");
        }
    }
}
