package naru.dpa_test

import data.naru.dpa
import data.naru.fixture
import future.keywords.not
import rego.v1

test_flow_001_three_grounds if {
	result := dpa.result with input as fixture.exporter("negotiation", [])
	{b.framework | some b in result.basis} == {"DEPA", "KSDPA", "RCEP"}
	result.allow == true
}

test_flow_001_none_with_a_country_without_agreement if {
	result := dpa.result with input as fixture.exporter("negotiation", [["replace", "/consumer/country", "US"]])
	result.basis == set()
	result.allow == true
}

test_auth_001_one_signature if {
	result := dpa.result with input as fixture.exporter("transfer", [["remove", "/contract/signed_by/1", null]])
	fixture.denies(result, "DPA-AUTH-001")
}

test_auth_001_no_signature_where_no_framework_is_claimed if {
	unsigned := [["replace", "/contract/signed_by", []], ["replace", "/contract/framework", "none"]]
	dpa.result.allow == true with input as fixture.exporter("transfer", unsigned)
	dpa.result.allow == true with input as fixture.importer("transfer", unsigned)
}

test_auth_001_no_signature_under_a_framework if {
	result := dpa.result with input as fixture.importer("transfer", [["replace", "/contract/signed_by", []]])
	{d.detail | some d in result.deny} == {"consumer", "provider"}
}

test_auth_001_framework_not_known if {
	every change in [
		["remove", "/contract/framework", null],
		["replace", "/contract/framework", null],
		["replace", "/contract/framework", "unknown"],
		["replace", "/contract/framework", ["none"]],
	] {
		result := dpa.result with input as fixture.exporter("transfer", [["replace", "/contract/signed_by", []], change])
		fixture.denies(result, "DPA-AUTH-001")
		fixture.open(result, "CORE-001")
	}
}

test_auth_001_both_signatures if {
	dpa.result.allow == true with input as fixture.importer("transfer", [])
}

open_data := ["replace", "/dataset/public/is_public", true]

named(phase, changes) := [duty |
	result := dpa.result with input as fixture.importer(phase, changes)
	some duty in result.obligations
	duty.id == "DPA-OGD-001"
]

test_ogd_001_open_data_of_nobody if {
	every kind in ["none", "anonymised"] {
		every phase in ["negotiation", "transfer", "monitor"] {
			nobody := [open_data, ["replace", "/dataset/personal/kind", kind]]
			dpa.result.allow == true with input as fixture.exporter(phase, nobody)
		}
	}
	result := dpa.result with input as fixture.exporter("catalog", [open_data])
	result.visible == true
}

# Pseudonyms are undone, and what nobody declared may be anybody's.
test_ogd_001_open_data_of_somebody if {
	every change in [
		["replace", "/dataset/personal/kind", "pseudonymised"],
		["replace", "/dataset/personal/kind", "unknown"],
		["remove", "/dataset/personal/kind", null],
	] {
		result := dpa.result with input as fixture.exporter("transfer", [open_data, change])
		fixture.denies(result, "DPA-OGD-001")
		hidden := dpa.result with input as fixture.exporter("catalog", [open_data, change])
		hidden.visible == false
	}
}

test_ogd_001_the_source_is_named_of_open_data_only if {
	every phase in ["negotiation", "transfer"] {
		count(named(phase, [open_data])) == 1
		count(named(phase, [])) == 0
	}
}

test_ogd_001_the_source_is_told_with_the_terms_and_the_data if {
	every phase in ["catalog", "monitor"] {
		count(named(phase, [open_data])) == 0
	}
}

sandbox(changes) := [["replace", "/contract/sandbox", object.union(
	{"project_id": "SBX-2026-07", "ends_at": 1795424401, "participants": [deal.provider.id, deal.consumer.id]},
	changes,
)]] if {
	deal := fixture.input_at("transfer", "exporter")
}

test_sbx_001_runs_until_its_end if {
	every phase in ["negotiation", "transfer"] {
		dpa.result.allow == true with input as fixture.exporter(phase, sandbox({}))
		result := dpa.result with input as fixture.exporter(phase, sandbox({"ends_at": 1795424400}))
		fixture.denies(result, "DPA-SBX-001")
	}
}

# A project that nobody can name is none, though it have an end and participants.
test_sbx_001_a_project_without_a_name if {
	every name in ["", "unknown", 7, null] {
		result := dpa.result with input as fixture.exporter("transfer", sandbox({"project_id": name}))
		fixture.denies(result, "DPA-SBX-001")
		fixture.open(result, "CORE-001")
	}
}

test_sbx_001_an_end_that_is_no_time if {
	every end in ["1795424401", "2027-01-01", [], {}, null] {
		result := dpa.result with input as fixture.importer("negotiation", sandbox({"ends_at": end}))
		fixture.denies(result, "DPA-SBX-001")
	}
}
