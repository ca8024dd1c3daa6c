# Personal Information Protection Act: personal information that leaves Korea needs a ground of Article 28-8, resident
# registration numbers do not travel, and the channel is encrypted. Viewing from abroad is a transfer like any other.
package naru.kr

import data.naru.lib

import future.keywords.not
import rego.v1

deny contains {"id": "KR-PIPA-001", "detail": lib.word("/transfer/legal_basis/kind")} if {
	lib.personal_possible
	lib.abroad
	not transfer_ground
}

# 28-8(1)1: consent apart from other consents, after the five notices of 28-8(2).
transfer_ground if {
	input.transfer.legal_basis.kind == "consent"
	input.transfer.legal_basis.separate == true
	every notice in data.pack.consent_notices { notice in input.transfer.legal_basis.notice }
}

# 28-8(1)4: a certification that the commission recognises, and the measures written into the agreement.
transfer_ground if {
	input.transfer.legal_basis.kind == "certification"
	some certification in input.consumer.certifications
	certification in data.pack.recognised_certifications
	input.contract.clauses.safety_measures == true
	input.contract.clauses.complaint_and_dispute == true
}

# 28-8(1)5: every destination is recognised as equivalent, and nothing that the recognition leaves out is in the data.
transfer_ground if {
	input.transfer.legal_basis.kind == "equivalence"
	input.now >= data.pack.equivalence.from
	every country in lib.destinations {
		country in array.concat(data.pack.equivalence.countries, ["KR"])
	}
	every identifier in input.dataset.personal.identifiers {
		not identifier in data.pack.equivalence.excludes
	}
}

# 24-2: only a statute that asks for them lets them be handled, and none does so for trade in data.
deny contains {"id": "KR-PIPA-003", "detail": "rrn"} if "rrn" in input.dataset.personal.identifiers

# 29 and Decree 30(1)4.
deny contains {"id": "KR-PIPA-008", "detail": "not encrypted"} if {
	lib.personal_possible
	not input.transfer.encrypted == true
}
