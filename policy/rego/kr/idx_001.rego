# KR-IDX-001: Industrial Digital Transformation Promotion Act 9(1) to (3). Who may give industrial data to others.
package naru.kr

import future.keywords.not
import rego.v1

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
