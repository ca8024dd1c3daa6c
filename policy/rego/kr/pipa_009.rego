# KR-PIPA-009: 21 and Decree 16. When the purpose is fulfilled, personal information is destroyed beyond recovery, and that is
# confirmed.
package naru.kr

import data.naru.lib

import future.keywords.not
import rego.v1

obligations contains {
	"id": "KR-PIPA-009",
	"duty": "destroy_and_confirm",
	"on": "consumer",
	"after": "purpose_end",
	"within": null,
} if {
	lib.duties_told
	lib.personal_possible
}
