# KR-ITA-003: Industrial Technology Act 9-2. Where the field is one of the listed families, only the ministry's own recent
# determination settles what the data are not.
package naru.kr

import future.keywords.not
import rego.v1

undetermined contains {"id": "KR-ITA-003", "detail": family} if {
	some family in input.dataset.tech_families
	some listed in data.reference.technology_families.list
	listed.family == family
	not input.dataset.technology.nct.status == "nct"
	not determined_by_ministry
}

determined_by_ministry if {
	determination := input.dataset.technology.nct.determination
	determination.by == "motir"
	is_number(determination.at)
	determination.at <= input.now
	input.now < determination.at + (data.reference.technology_families.determination_max_days * 86400)
}
