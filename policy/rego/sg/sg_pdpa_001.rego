# SG-PDPA-001: Personal Data Protection Act 2012, section 26, and the Personal Data Protection Regulations 2021, regulations
# 10 to 12: personal data leaves Singapore only with protection that binds the recipient, or with consent.
package naru.sg

import data.naru.lib

import future.keywords.not
import rego.v1

deny contains {"id": "SG-PDPA-001", "detail": lib.word("/transfer/legal_basis/kind")} if {
	lib.personal_possible
	lib.abroad
	not transfer_ground
}

# A contract binds only if it asks for comparable protection and names every country that the data goes to.
transfer_ground if {
	input.transfer.legal_basis.kind == "contract"
	input.contract.clauses.comparable_protection == true
	every country in lib.destinations {
		country in array.concat(input.contract.countries_listed, ["SG"])
	}
}

transfer_ground if {
	input.transfer.legal_basis.kind == "certification"
	some recognised in data.reference.certifications.list
	recognised.name in input.consumer.certifications
	input.consumer.role in recognised.roles
	input.now >= recognised.from
}

transfer_ground if {
	input.transfer.legal_basis.kind == "consent"
	input.transfer.legal_basis.written_summary == true
}

# Data that only pass through Singapore, and data that are publicly available there.
transfer_ground if input.transfer.legal_basis.kind in {"in_transit", "publicly_available"}
