# CL-21719-001: Law 21.719, articles 27 and 28, from 1 December 2026. Personal data leave Chile to an adequate country, under the
# ministry's clauses or binding rules, with a certified compliance model, or with express consent to this transfer.
package naru.cl

import data.naru.lib

import future.keywords.not
import rego.v1

deny contains {"id": "CL-21719-001", "detail": lib.word("/transfer/legal_basis/kind")} if {
	lib.personal_possible
	lib.abroad
	not transfer_ground
}

transfer_ground if input.transfer.legal_basis.kind in {"model_clauses", "binding_corporate_rules"}

transfer_ground if {
	input.transfer.legal_basis.kind == "adequacy"
	every country in lib.destinations { adequate(country) }
}

transfer_ground if {
	input.transfer.legal_basis.kind == "certification"
	some certification in input.consumer.certifications
	certification in data.reference.compliance_models.list
}

transfer_ground if {
	input.transfer.legal_basis.kind == "consent"
	input.transfer.legal_basis.separate == true
	input.transfer.legal_basis.express == true
}

adequate(country) if country in data.reference.adequate.countries

adequate(country) if country == "CL"
