# NZ-IPP12-001: Privacy Act 2020, information privacy principle 12. Personal information is disclosed abroad with the person's informed
# authorisation, under comparable safeguards by agreement, or in a prescribed country. Storing with an agent is no disclosure.
package naru.nz

import data.naru.lib

import future.keywords.not
import rego.v1

deny contains {"id": "NZ-IPP12-001", "detail": lib.word("/transfer/legal_basis/kind")} if {
	lib.personal_possible
	lib.abroad
	not disclosure_ground
}

disclosure_ground if input.transfer.legal_basis.kind == "model_clauses"

disclosure_ground if {
	input.transfer.legal_basis.kind == "contract"
	input.contract.clauses.comparable_protection == true
}

disclosure_ground if {
	input.transfer.legal_basis.kind == "consent"
	input.transfer.legal_basis.informed_of_weaker_law == true
}

disclosure_ground if {
	input.transfer.legal_basis.kind == "adequacy"
	every country in lib.destinations { prescribed(country) }
}

disclosure_ground if {
	input.consumer.role == "processor"
	input.transfer.mode in {"entrust", "store"}
}

prescribed(country) if country in data.reference.prescribed.countries

prescribed(country) if country == "NZ"
