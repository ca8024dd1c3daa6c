# KR-ITA-001: Industrial Technology Act 11(1). National core technology that was developed with state funds needs an approval.
# Not said to be without state funds counts as with. What the ministry said, the exporter holds: approvals are private to it.
package naru.kr

import data.naru.lib

import future.keywords.not
import rego.v1

deny contains {"id": "KR-ITA-001", "detail": "approval"} if {
	input.dataset.technology.nct.status == "nct"
	not input.dataset.technology.nct.state_funded == false
	technology_export
	not lib.approved({"nct_export_approval"})
}
