package naru.kr_fta_test

import data.naru.fixture
import data.naru.kr
import future.keywords.not
import rego.v1

listed := ["replace", "/dataset/technology/strategic/status", "listed"]

test_fta_001_neither_exempt_nor_licensed if {
	result := kr.result with input as fixture.exporter("negotiation", [listed])
	fixture.denies(result, "KR-FTA-001")
}

test_fta_001_exempt if {
	exempt := ["add", "/dataset/technology/strategic/exemption", "public_domain"]
	kr.result.allow == true with input as fixture.exporter("negotiation", [listed, exempt])
}

test_fta_001_licensed if {
	every type in ["strategic_export_licence", "nct_export_approval", "nast_export_approval"] {
		licence := ["replace", "/approvals", [fixture.approval(type)]]
		kr.result.allow == true with input as fixture.exporter("negotiation", [listed, licence])
	}
}

test_fta_001_a_licence_for_another_country if {
	licence := ["replace", "/approvals", [fixture.approval("strategic_export_licence")]]
	abroad := ["replace", "/destination/storage_countries", ["SG", "VN"]]
	result := kr.result with input as fixture.exporter("negotiation", [listed, licence, abroad])
	fixture.denies(result, "KR-FTA-001")
}

# Technology that stays in Korea with a Korean is not exported. Each thing that makes it stay is needed, and what is not known does not.
domestic := [
	["replace", "/consumer/country", "KR"],
	["replace", "/consumer/foreign_person", false],
	["replace", "/destination", {"storage_countries": ["KR"], "processing_countries": ["KR"]}],
]

# Technology of every kind at once, with the rules that ask for a licence or an approval of it.
technology(funded) := array.concat(domestic, [
	listed,
	["replace", "/dataset/technology/defence", true],
	["replace", "/dataset/technology/nast", true],
	["add", "/consumer/is_foreign_government", false],
	["replace", "/dataset/technology/nct/status", "nct"],
	["add", "/dataset/technology/nct/state_funded", funded],
])

asked := {"KR-DEF-001", "KR-FTA-001", "KR-NAST-001"}

asked_by_funding := {true: asked | {"KR-ITA-001"}, false: asked | {"KR-ITA-002"}}

test_technology_that_stays_is_not_exported if {
	every funded in [true, false] {
		kr.result.allow == true with input as fixture.exporter("negotiation", technology(funded))
	}
}

test_technology_is_exported_if_one_thing_takes_it_away if {
	every funded, ids in asked_by_funding {
		every change in [
			["replace", "/consumer/country", "SG"],
			["remove", "/consumer/country", null],
			["replace", "/consumer/foreign_person", true],
			["remove", "/consumer/foreign_person", null],
			["replace", "/destination/storage_countries", ["KR", "SG"]],
			["replace", "/destination/storage_countries", []],
			["replace", "/destination/processing_countries", ["SG"]],
			["replace", "/destination/processing_countries", []],
			["replace", "/contract/subprocessors", [{"name": "cloud", "country": "SG"}]],
		] {
			away := array.concat(technology(funded), [change])
			result := kr.result with input as fixture.exporter("negotiation", away)
			{finding.id | some finding in result.deny} == ids
		}
	}
}

# A sign that cannot be read is no sign: the answer is open, and names what is missing instead of a sign without a name.
test_fta_004_a_sign_that_cannot_be_read if {
	every flag in ["", "unknown", 5, null] {
		result := kr.result with input as fixture.exporter("negotiation", [["replace", "/consumer/red_flags", [flag]]])
		fixture.open(result, "CORE-001")
		result.deny == set()
	}
}
