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
