# KR-FTA-003: Decree 36(3). A determination is valid for two years.
package naru.kr

import data.naru.lib

import future.keywords.not
import rego.v1

undetermined contains {"id": "KR-FTA-003", "detail": "stale"} if {
	input.dataset.technology.strategic.determination.kind != "not_technology"
	not determined_lately
}

determined_lately if {
	determination := input.dataset.technology.strategic.determination
	lib.natural(determination.at)
	determination.at <= input.now
	input.now < determination.at + (data.reference.strategic_determination.max_days * 86400)
}
