# DPA-OGD-001: open government data hold nobody's personal data, and whoever uses them names the source (DEPA 9.5, Public Data
# Act 3 and 17).
package naru.dpa

import data.naru.lib

import future.keywords.not
import rego.v1

deny contains {"id": "DPA-OGD-001", "detail": lib.word("/dataset/personal/kind")} if {
	input.dataset.public.is_public == true
	lib.personal_possible
}

obligations contains {
	"id": "DPA-OGD-001",
	"duty": "attribute",
	"on": "consumer",
	"after": "completion",
	"within": null,
} if {
	input.dataset.public.is_public == true
	lib.duties_told
}
