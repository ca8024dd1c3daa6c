package naru.kr_pipa_test

import data.naru.fixture
import data.naru.kr
import future.keywords.not
import rego.v1

clauses := {"safety_measures": true, "complaint_and_dispute": true, "other_protection": true}

personal := [
	["replace", "/contract/clauses", clauses],
	["replace", "/dataset/personal/kind", "personal"],
	["replace", "/dataset/personal/identifiers", ["name"]],
]

consent := ["replace", "/transfer/legal_basis", {
	"kind": "consent",
	"separate": true,
	"notice": ["country_time_method", "items", "purpose_retention", "recipient", "refusal"],
}]

europe := [
	["replace", "/consumer/country", "DE"],
	["replace", "/destination/storage_countries", ["DE"]],
	["replace", "/destination/processing_countries", ["DE", "NO"]],
	["replace", "/transfer/legal_basis/kind", "equivalence"],
]

test_pipa_001_no_ground if {
	result := kr.result with input as fixture.importer("negotiation", personal)
	fixture.denies(result, "KR-PIPA-001")
}

test_pipa_001_consent if {
	kr.result.allow == true with input as fixture.exporter("negotiation", array.concat(personal, [consent]))
}

test_pipa_001_equivalence_is_european if {
	equivalence := array.concat(personal, [["replace", "/transfer/legal_basis/kind", "equivalence"]])
	singapore := kr.result with input as fixture.exporter("negotiation", equivalence)
	fixture.denies(singapore, "KR-PIPA-001")
	kr.result.allow == true with input as fixture.exporter("negotiation", array.concat(personal, europe))
}

test_pipa_001_equivalence_leaves_credit_information_out if {
	credit := [["replace", "/dataset/personal/identifiers", ["personal_credit"]]]
	changes := array.concat(personal, array.concat(europe, credit))
	result := kr.result with input as fixture.exporter("negotiation", changes)
	fixture.denies(result, "KR-PIPA-001")
}

test_pipa_001_anonymised_data_are_free if {
	kr.result.allow == true with input as fixture.exporter("negotiation", [["replace", "/dataset/personal/kind", "anonymised"]])
}

test_pipa_003_resident_registration_numbers if {
	numbers := [consent, ["replace", "/dataset/personal/identifiers", ["name", "rrn"]]]
	result := kr.result with input as fixture.exporter("negotiation", array.concat(personal, numbers))
	fixture.denies(result, "KR-PIPA-003")
}

test_pipa_003_names if {
	kr.result.allow == true with input as fixture.exporter("negotiation", array.concat(personal, [consent]))
}

test_pipa_008_not_encrypted if {
	plain := [consent, ["replace", "/transfer/encrypted", false]]
	result := kr.result with input as fixture.exporter("transfer", array.concat(personal, plain))
	fixture.denies(result, "KR-PIPA-008")
}

test_pipa_008_encrypted if {
	kr.result.allow == true with input as fixture.exporter("transfer", array.concat(personal, [consent]))
}

test_pipa_008_machine_data_may_be_plain if {
	kr.result.allow == true with input as fixture.exporter("transfer", [["replace", "/transfer/encrypted", false]])
}
