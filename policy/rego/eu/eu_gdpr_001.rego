# EU-GDPR-001: Regulation 2016/679, 45 and 46. Personal data leave the area to a country that a decision covers, in the scope of that
# decision, or under standard clauses or binding rules with an assessment of the country's law.
package naru.eu

import data.naru.lib

import future.keywords.not
import rego.v1

deny contains {"id": "EU-GDPR-001", "detail": lib.word("/transfer/legal_basis/kind")} if {
	from_the_area
	lib.personal_possible
	count(third_countries) > 0
	not lawful_transfer
}

from_the_area if inside(input.provider.country)

lawful_transfer if {
	input.transfer.legal_basis.kind == "adequacy"
	every country in third_countries { covered(country) }
}

lawful_transfer if {
	input.transfer.legal_basis.kind in {"model_clauses", "binding_corporate_rules"}
	input.transfer.legal_basis.impact_assessment == true
}

covered(country) if {
	decision := data.reference.adequacy.decisions[country]
	input.now >= decision.from
	every identifier in input.dataset.personal.identifiers { not identifier in decision.excludes }
	lib.texts(input.dataset.personal.identifiers)
	not input.transfer.purpose in decision.excluded_purposes
}

rests contains {"id": "EU-GDPR-001", "datum": concat("", ["adequacy/", country])} if {
	from_the_area
	lib.personal_possible
	input.transfer.legal_basis.kind == "adequacy"
	some country in third_countries
	covered(country)
	lib.unverified(data.reference.adequacy.decisions[country])
}
