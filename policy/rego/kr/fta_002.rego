# KR-FTA-002: Foreign Trade Act 20-2(2)1. Only a designated compliance trader may classify technology by itself. Data that are no
# technology at all need no classification; who says so of a listed family, or of controlled technology, contradicts himself.
package naru.kr

import future.keywords.not
import rego.v1

deny contains {"id": "KR-FTA-002", "detail": "self"} if {
	input.dataset.technology.strategic.determination.kind == "self"
	not input.provider.compliance_trader == true
}

deny contains {"id": "KR-FTA-002", "detail": "not_technology"} if {
	input.dataset.technology.strategic.determination.kind == "not_technology"
	not plain_data
}

plain_data if {
	count(input.dataset.tech_families) == 0
	input.dataset.technology.strategic.status == "not_listed"
	input.dataset.technology.nct.status == "not_nct"
	input.dataset.technology.nast == false
	input.dataset.technology.defence == false
}
