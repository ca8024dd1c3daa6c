# EU-DA-002: Regulation 2023/2854, 32. Who processes non-personal data of the Union elsewhere resists access by governments that no
# treaty allows. A recipient that was not declared a controller counts as one.
package naru.eu

import data.naru.lib

import future.keywords.not
import rego.v1

obligations contains {
	"id": "EU-DA-002",
	"duty": "resist_foreign_access",
	"on": "consumer",
	"after": "completion",
	"within": null,
} if {
	lib.duties_told
	inside(input.provider.country)
	count(third_countries) > 0
	not input.dataset.personal.kind in {"personal", "pseudonymised"}
	not input.consumer.role == "controller"
}
