# Pack `sg`: Personal Data Protection Act 2012, section 26, and the Personal Data Protection Regulations 2021, regulations
# 10 to 12: personal data leaves Singapore only with protection that binds the recipient, or with consent.
package naru.sg

import data.naru.lib

import future.keywords.not
import rego.v1

result := lib.result({"deny": deny, "undetermined": set(), "obligations": set(), "basis": set()})

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
	some certification in input.consumer.certifications
	certification in data.pack.certifications[input.consumer.role]
}

transfer_ground if {
	input.transfer.legal_basis.kind == "consent"
	input.transfer.legal_basis.written_summary == true
}
