package naru.sg_pdpa_test

import data.naru.fixture
import data.naru.sg
import future.keywords.not
import rego.v1

personal := [
	["replace", "/provider/country", "SG"],
	["replace", "/consumer/country", "KR"],
	["replace", "/destination/storage_countries", ["KR"]],
	["replace", "/destination/processing_countries", ["KR"]],
	["replace", "/dataset/personal/kind", "personal"],
]

contract(countries) := [
	["replace", "/transfer/legal_basis/kind", "contract"],
	["add", "/contract/clauses/comparable_protection", true],
	["replace", "/contract/countries_listed", countries],
]

certified(certification) := [
	["replace", "/transfer/legal_basis/kind", "certification"],
	["replace", "/consumer/certifications", [certification]],
]

test_pdpa_001_the_contract_names_another_country if {
	result := sg.result with input as fixture.importer("negotiation", array.concat(personal, contract(["JP"])))
	fixture.denies(result, "SG-PDPA-001")
}

test_pdpa_001_the_contract_names_the_country if {
	sg.result.allow == true with input as fixture.exporter("negotiation", array.concat(personal, contract(["KR"])))
}

test_pdpa_001_certification_by_role if {
	every certification in ["apec-cbpr", "global-cbpr"] {
		sg.result.allow == true with input as fixture.exporter("negotiation", array.concat(personal, certified(certification)))
	}
	controller := array.concat(personal, certified("global-prp"))
	result := sg.result with input as fixture.exporter("negotiation", controller)
	fixture.denies(result, "SG-PDPA-001")
	processor := array.concat(controller, [["replace", "/consumer/role", "processor"]])
	sg.result.allow == true with input as fixture.exporter("negotiation", processor)
}

test_pdpa_001_is_about_providers_in_singapore if {
	korean := array.slice(personal, 4, 5)
	sg.result.allow == true with input as fixture.exporter("negotiation", korean)
}
