# KR-PIPA-011: 28-4(3). Records of how pseudonymised information was handled are kept for three years after its destruction, on both
# sides.
package naru.kr

import data.naru.lib

import future.keywords.not
import rego.v1

obligations contains {
	"id": "KR-PIPA-011",
	"duty": "keep_processing_records",
	"on": party,
	"after": "destruction",
	"within": data.reference.processing_records.seconds,
} if {
	lib.duties_told
	lib.pseudonymised
	some party in ["consumer", "provider"]
}
