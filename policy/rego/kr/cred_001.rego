# KR-CRED-001: Credit Information Act 32. Personal credit information is provided only with a consent for this provision; what the
# recognition of equivalent countries leaves out has no other way.
package naru.kr

import future.keywords.not
import rego.v1

deny contains {"id": "KR-CRED-001", "detail": "personal_credit"} if {
	"personal_credit" in input.dataset.personal.identifiers
	not individual_consent
}

individual_consent if {
	input.transfer.legal_basis.kind == "consent"
	input.transfer.legal_basis.individual_credit_consent == true
}
