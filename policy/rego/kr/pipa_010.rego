# KR-PIPA-010: 28-5. Nobody re-identifies a person in pseudonymised information; what identifies one by accident is stopped,
# retrieved and destroyed.
package naru.kr

import data.naru.lib

import future.keywords.not
import rego.v1

obligations contains {
	"id": "KR-PIPA-010",
	"duty": "no_reidentification",
	"on": "consumer",
	"after": "completion",
	"within": null,
} if {
	lib.duties_told
	lib.pseudonymised
}
