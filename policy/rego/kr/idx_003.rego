# KR-IDX-003: 9(6). Whoever uses industrial data keeps them whole and keeps them from leaking.
package naru.kr

import data.naru.lib

import future.keywords.not
import rego.v1

obligations contains {
	"id": "KR-IDX-003",
	"duty": "protect_integrity",
	"on": "consumer",
	"after": "completion",
	"within": null,
} if {
	lib.duties_told
	industrial
}
