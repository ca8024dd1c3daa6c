# Which ground sends personal data out of the area, and when what nobody read leaves a deal open.
package naru.eu_gdpr_test

import data.naru.eu
import data.naru.fixture
import future.keywords.not
import rego.v1

changes(provider, country, basis) := [
	["replace", "/provider/country", provider],
	["replace", "/consumer/country", country],
	["replace", "/destination", {"storage_countries": [country], "processing_countries": [country]}],
	["replace", "/dataset/personal", {"kind": "personal", "identifiers": ["name"], "special": []}],
	["replace", "/transfer/legal_basis", basis],
]

adequacy := {"kind": "adequacy"}

to(country, basis) := changes("DE", country, basis)

said(list) := result if {
	result := eu.result with input as fixture.exporter("negotiation", list)
}

# The deal names its ground, and a ground that it does not name carries nothing: Korea is covered, and no consent says so.
test_a_country_that_is_covered_and_another_ground if {
	said(to("KR", adequacy)).allow == true
	every kind in ["consent", "contract", "equivalence", "not_applicable"] {
		result := said(to("KR", {"kind": kind}))
		fixture.denies(result, "EU-GDPR-001")
		{finding.detail | some finding in result.deny} == {kind}
	}
}

# A decision leaves kinds of data out, and so it covers nothing where nobody knows what kinds there are.
test_what_the_data_hold_is_not_known if {
	every identifiers in [null, "name", ["unknown"], ["name", ""], [5], {"name": true}] {
		result := said(array.concat(to("KR", adequacy), [["replace", "/dataset/personal/identifiers", identifiers]]))
		fixture.denies(result, "EU-GDPR-001")
	}
}

test_what_the_decision_about_korea_leaves_out if {
	every change in [
		["replace", "/dataset/personal/identifiers", ["name", "personal_credit"]],
		["replace", "/transfer/purpose", "missionary_activity"],
		["replace", "/transfer/purpose", "candidate_nomination"],
	] {
		result := said(array.concat(to("KR", adequacy), [change]))
		fixture.denies(result, "EU-GDPR-001")
	}
}

unread(result) := {finding.detail | some finding in result.undetermined; finding.id == "EU-GDPR-001"}

test_decisions_that_nobody_read_leave_open_what_rests_on_them if {
	every country in ["CH", "GB", "JP", "NZ"] {
		result := said(to(country, adequacy))
		result.allow == false
		result.deny == set()
		unread(result) == {concat("/", ["unverified: adequacy", country])}
	}
}

# Clauses and rules need no decision, nor do data that are nobody's or come from elsewhere: who read the decision is then all one.
test_decisions_that_nobody_read_leave_the_rest_alone if {
	every kind in ["model_clauses", "binding_corporate_rules"] {
		said(to("JP", {"kind": kind, "impact_assessment": true})).allow == true
	}
	every kind in ["none", "anonymised"] {
		said(array.concat(to("JP", adequacy), [["replace", "/dataset/personal/kind", kind]])).allow == true
	}
	every provider in ["US", "JP", "KR"] {
		said(changes(provider, "JP", adequacy)).allow == true
	}
}

# From the first second of each decision; before it the transfer is denied, and nothing is left open that reading could settle.
test_decisions_from_their_first_second if {
	first := {"GB": 1624838400, "JP": 1548201600, "KR": 1639699200}
	every country, at in first {
		before := said(array.concat(to(country, adequacy), [["replace", "/now", at - 1]]))
		fixture.denies(before, "EU-GDPR-001")
		unread(before) == set()
		trusted := said(array.concat(to(country, adequacy), [["replace", "/now", at], ["add", "/assume_unverified", true]]))
		trusted.allow == true
	}
}
