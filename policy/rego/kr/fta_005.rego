# KR-FTA-005: Foreign Trade Act 28. Whoever determined or was licensed keeps the records for five years.
package naru.kr

import data.naru.lib

import future.keywords.not
import rego.v1

obligations contains {
	"id": "KR-FTA-005",
	"duty": "retain_records",
	"on": "provider",
	"after": "completion",
	"within": data.reference.records.seconds,
} if {
	lib.duties_told
	determined_or_licensed
}

determined_or_licensed if not input.dataset.technology.strategic.determination.kind == "not_technology"

determined_or_licensed if count(input.approvals) > 0
