# KR-PIPA-007: 28-11. What the recipient passes on to a third country needs a ground again: an equivalent country, or one that the
# consent named. Onward transfer that names no country is open to all of them.
package naru.kr

import data.naru.lib

import future.keywords.not
import rego.v1

deny contains {"id": "KR-PIPA-007", "detail": named_country(country)} if {
	lib.personal_possible
	some country in input.contract.onward_transfer.countries
	not onward_ground(country)
}

deny contains {"id": "KR-PIPA-007", "detail": "any"} if {
	lib.personal_possible
	not input.contract.onward_transfer.allowed == false
	not count(input.contract.onward_transfer.countries) > 0
}

onward_ground(country) if equivalent_data(country)

onward_ground(country) if {
	input.transfer.legal_basis.kind == "consent"
	country in input.transfer.legal_basis.onward_countries
}

equivalent_data(country) if {
	equivalent(country)
	every identifier in input.dataset.personal.identifiers {
		not identifier in data.reference.equivalence.excludes
	}
}

named_country(country) := country if lib.text(country)

named_country(country) := "unreadable" if not lib.text(country)
