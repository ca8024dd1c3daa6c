# KR-PIPA-005: 28-2(1). Without consent, pseudonymised information serves statistics, scientific research and archiving in the public
# interest. A consent covers the purposes that it names.
package naru.kr

import data.naru.lib

import future.keywords.not
import rego.v1

deny contains {"id": "KR-PIPA-005", "detail": lib.word("/transfer/purpose")} if {
	lib.pseudonymised
	not input.transfer.purpose in data.reference.pseudonymised_purposes.list
	not consent_covers
}

consent_covers if {
	input.transfer.legal_basis.kind == "consent"
	input.transfer.purpose in input.transfer.legal_basis.purposes
}
