# Industrial Digital Transformation Promotion Act, Article 9: who may give industrial data to others.
package naru.kr

import future.keywords.not
import rego.v1

industrial if not other_data

other_data if {
	count(input.dataset.categories) > 0
	not "industrial" in input.dataset.categories
}

deny contains {"id": "KR-IDX-001", "detail": "recipient"} if {
	industrial
	input.dataset.rights.basis == "recipient"
	input.dataset.rights.agreement_forbids == true
}

deny contains {"id": "KR-IDX-001", "detail": "co_generator"} if {
	industrial
	input.dataset.rights.basis == "co_generator"
	input.dataset.rights.co_agreement_forbids == true
}
