# KR-PIPA-001: Personal Information Protection Act 28-8(1). Personal and pseudonymised information that leaves Korea needs a ground of
# this article; viewing from abroad is a transfer like any other, and no trade agreement is a ground.
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
	every notice in data.reference.consent.notices { notice in input.transfer.legal_basis.notice }
}

# 28-8(1)4: a certification that the commission recognises, and the measures written into the agreement.
transfer_ground if {
	input.transfer.legal_basis.kind == "certification"
	some recognised in data.reference.certifications.list
	recognised.name in input.consumer.certifications
	input.contract.clauses.safety_measures == true
	input.contract.clauses.complaint_and_dispute == true
}

# 28-8(1)5: every destination is recognised as equivalent, and nothing that the recognition leaves out is in the data.
transfer_ground if {
	input.transfer.legal_basis.kind == "equivalence"
	every country in lib.destinations { equivalent(country) }
	every identifier in input.dataset.personal.identifiers {
		not identifier in data.reference.equivalence.excludes
	}
}

equivalent(country) if country == "KR"

equivalent(country) if {
	input.now >= data.reference.equivalence.from
	country in data.reference.equivalence.countries
}

# Who recognised which certification, nobody read: a deal that stands on one alone is not decided.
rests contains {"id": "KR-PIPA-001", "datum": "certifications"} if {
	input.transfer.legal_basis.kind == "certification"
	transfer_ground
	lib.unverified(data.reference.certifications)
}
