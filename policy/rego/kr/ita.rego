# Act on Prevention of Divulgence and Protection of Industrial Technology: national core technology (NCT).
# What the ministry knows, the exporter holds: approvals are private to it.
package naru.kr

import data.naru.lib

import future.keywords.not
import rego.v1

# Article 11(1): developed with state funds, needs approval. Not said to be without state funds counts as with.
deny contains {"id": "KR-ITA-001", "detail": "approval"} if {
	input.dataset.technology.nct.status == "nct"
	not input.dataset.technology.nct.state_funded == false
	technology_export
	not lib.approved({"nct_export_approval"})
}

# Article 11(4) and (5): otherwise an accepted report; an approval is more than a report.
deny contains {"id": "KR-ITA-002", "detail": "report"} if {
	input.dataset.technology.nct.status == "nct"
	input.dataset.technology.nct.state_funded == false
	technology_export
	not lib.approved({"nct_export_report", "nct_export_approval"})
}

# Article 9-2: where the field is one of the listed families, only the ministry's own recent determination settles it.
undetermined contains {"id": "KR-ITA-003", "detail": family} if {
	some family in input.dataset.tech_families
	family in data.pack.nct_families
	not input.dataset.technology.nct.status == "nct"
	not determined_by_ministry
}

determined_by_ministry if {
	determination := input.dataset.technology.nct.determination
	determination.by == "motir"
	is_number(determination.at)
	determination.at <= input.now
	input.now < determination.at + (data.pack.nct_determination_max_days * 86400)
}
