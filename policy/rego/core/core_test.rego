package naru.core_test

import data.naru.core
import data.naru.fixture
import future.keywords.not
import rego.v1

test_the_ordinary_deal_is_allowed if {
	every phase in ["negotiation", "transfer", "monitor"] {
		every side in ["exporter", "importer"] {
			core.result.allow == true with input as fixture.input_at(phase, side)
		}
	}
}

test_the_catalog_only_shows if {
	result := core.result with input as fixture.exporter("catalog", [])
	result.allow == null
	result.visible == true
}

test_core_000_denies_a_phase_and_a_side_that_are_none if {
	every change in [["replace", "/phase", "archive"], ["replace", "/side", "carrier"]] {
		result := core.result with input as fixture.exporter("transfer", [change])
		fixture.denies(result, "CORE-000")
	}
}

test_core_000_denies_an_empty_input if {
	result := core.result with input as {}
	fixture.denies(result, "CORE-000")
}

test_core_001_missing_unknown_and_mistyped if {
	every change in [
		["remove", "/contract/valid_to", null],
		["replace", "/provider/country", "unknown"],
		["replace", "/now", "1795424400"],
		["replace", "/stop_orders", null],
		["replace", "/contract/subprocessors", [{"name": "cloud"}]],
	] {
		result := core.result with input as fixture.exporter("transfer", [change])
		fixture.open(result, "CORE-001")
	}
}

test_core_002_expired if {
	result := core.result with input as fixture.importer("negotiation", [["replace", "/provider/identity/expires_at", 1]])
	fixture.denies(result, "CORE-002")
}

test_core_003_not_in_force if {
	result := core.result with input as fixture.exporter("negotiation", [["replace", "/contract/framework", "EU-KR-DTA"]])
	fixture.denies(result, "CORE-003")
}

# Dates that nobody read leave open what rests on them, and nothing that is denied anyway.
test_core_003_unread_and_not_between_these if {
	result := core.result with input as fixture.exporter("negotiation", [["replace", "/contract/framework", "KORUS"]])
	fixture.denies(result, "CORE-003")
	{finding.id | some finding in result.undetermined; finding.id == "CORE-003"} == set()
}

test_core_003_from_the_first_second if {
	moved := [["replace", "/consumer/country", "CL"], ["replace", "/contract/framework", "DEPA"]]
	before := core.result with input as fixture.importer("negotiation", array.concat(moved, [["replace", "/now", 1714694399]]))
	after := core.result with input as fixture.importer("negotiation", array.concat(moved, [["replace", "/now", 1714694400]]))
	fixture.denies(before, "CORE-003")
	after.allow == true
}

test_core_004_outside_the_term if {
	every now in [1793491199, 1825027200] {
		result := core.result with input as fixture.exporter("transfer", [["replace", "/now", now]])
		fixture.denies(result, "CORE-004")
	}
}

test_core_005_unknown_revision if {
	result := core.result with input as fixture.exporter("transfer", [["replace", "/contract/policy_revision", "x"]])
	fixture.denies(result, "CORE-005")
}

test_core_006_stop_orders if {
	every order in [
		{},
		{"country": "SG"},
		{"country": "KR"},
		{"dataset": "unknown"},
		{"consumer": 5},
		{"from": "tomorrow"},
		{"from": 1795424400},
		{"until": "yesterday"},
		{"until": null},
		{"until": 1795424401},
	] {
		result := core.result with input as fixture.importer("transfer", [["replace", "/stop_orders", [order]]])
		fixture.denies(result, "CORE-006")
	}
}

test_core_006_leaves_others_alone if {
	every order in [{"country": "US"}, {"dataset": "another"}, {"from": 1795424401}, {"until": 1795424400}] {
		core.result.allow == true with input as fixture.importer("transfer", [["replace", "/stop_orders", [order]]])
	}
}

test_core_001_what_is_taken_on_trust_is_to_be_confirmed if {
	duties := {duty.duty |
		result := core.result with input as fixture.exporter("transfer", [["add", "/assume_unverified", true]])
		some duty in result.obligations
	}
	duties == {"confirm_reference_data"}
	result := core.result with input as fixture.exporter("transfer", [])
	count(result.obligations) == 0
}
