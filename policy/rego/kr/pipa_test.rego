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

said(changes) := result if {
	result := kr.result with input as fixture.exporter("negotiation", array.concat(personal, changes))
}

# The deal names its ground, and a ground that it does not name carries nothing: the countries are equivalent, and nobody rests on that.
test_pipa_001_an_equivalent_country_and_another_ground if {
	every kind in ["contract", "certification", "adequacy", "not_applicable"] {
		result := said(array.concat(europe, [["replace", "/transfer/legal_basis/kind", kind]]))
		fixture.denies(result, "KR-PIPA-001")
		{finding.detail | some finding in result.deny; finding.id == "KR-PIPA-001"} == {kind}
	}
}

certification := [
	["replace", "/transfer/legal_basis", {"kind": "certification"}],
	["replace", "/consumer/certifications", ["isms-p"]],
]

# Who recognised which certification nobody read, and so a deal that stands on one is open. One that does not stand is denied, and no
# reading would settle it.
test_pipa_001_a_certification if {
	standing := said(certification)
	standing.deny == set()
	fixture.open(standing, "KR-PIPA-001")
	said(array.concat(certification, [["add", "/assume_unverified", true]])).allow == true
	read := said(certification) with data.reference.certifications.verified as true
	read.allow == true
	every change in [
		["replace", "/consumer/certifications", ["iso-27001"]],
		["replace", "/consumer/certifications", []],
		["replace", "/contract/clauses/safety_measures", false],
		["replace", "/contract/clauses/complaint_and_dispute", false],
	] {
		result := said(array.concat(certification, [change]))
		fixture.denies(result, "KR-PIPA-001")
		{finding | some finding in result.undetermined; finding.id == "KR-PIPA-001"} == set()
	}
}

# A kind of sensitive information that cannot be read is a missing fact: the answer is open, and names no kind.
test_pipa_004_a_kind_that_cannot_be_read if {
	every kind in ["", "unknown", 5, null] {
		result := said([consent, ["replace", "/dataset/personal/special", [kind]]])
		fixture.open(result, "CORE-001")
		result.deny == set()
	}
}

# What is nobody's is passed on to a named country, and to any; what is somebody's to neither, without a ground.
test_pipa_007_data_of_nobody_and_of_somebody if {
	every countries in [["US"], []] {
		onward := ["replace", "/contract/onward_transfer", {"allowed": true, "countries": countries}]
		every kind in ["none", "anonymised"] {
			result := said([consent, onward, ["replace", "/dataset/personal/kind", kind]])
			result.allow == true
		}
		result := said([consent, onward])
		{finding.id | some finding in result.deny} == {"KR-PIPA-007"}
	}
}
