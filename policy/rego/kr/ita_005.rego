# KR-ITA-005: Industrial Technology Act 14(3). Whoever holds national core technology of another returns or deletes it when asked
# to, or when the right to use it ends.
package naru.kr

import data.naru.lib

import future.keywords.not
import rego.v1

obligations contains {
	"id": "KR-ITA-005",
	"duty": "return_or_delete",
	"on": "consumer",
	"after": event,
	"within": null,
} if {
	lib.duties_told
	not input.dataset.technology.nct.status == "not_nct"
	some event in ["request", "term_end"]
}
