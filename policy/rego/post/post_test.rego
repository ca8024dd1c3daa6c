package naru.post_test

import data.naru.fixture
import data.naru.post
import future.keywords.not
import rego.v1

test_pur_001_not_agreed if {
	result := post.result with input as fixture.importer("transfer", [["replace", "/transfer/purpose", "marketing"]])
	fixture.denies(result, "POST-PUR-001")
}

test_pur_001_agreed if {
	post.result.allow == true with input as fixture.importer("transfer", [])
}

test_ret_001_obliges_the_consumer if {
	every phase in ["negotiation", "transfer"] {
		result := post.result with input as fixture.exporter(phase, [])
		{duty | some duty in result.obligations; duty.id == "POST-RET-001"} == {{
			"id": "POST-RET-001",
			"duty": "delete",
			"on": "consumer",
			"after": "completion",
			"within": 31536000,
		}}
	}
}

test_ret_001_overdue if {
	result := post.result with input as fixture.exporter("monitor", [["replace", "/contract/retention_days", 3]])
	fixture.denies(result, "POST-RET-001")
}

test_ret_001_the_last_second if {
	last := 1795132800 + (365 * 86400)
	before := post.result with input as fixture.exporter("monitor", [["replace", "/now", last]])
	after := post.result with input as fixture.exporter("monitor", [["replace", "/now", last + 1]])
	before.allow == true
	fixture.denies(after, "POST-RET-001")
}

test_ret_001_confirmed if {
	confirmed := [["replace", "/contract/retention_days", 3], ["replace", "/transfer/deletion_confirmed_at", 1795300000]]
	post.result.allow == true with input as fixture.exporter("monitor", confirmed)
}

test_ret_001_a_confirmation_from_before_or_to_come if {
	every at in [1795132799, 1795424401] {
		early := [["replace", "/contract/retention_days", 3], ["replace", "/transfer/deletion_confirmed_at", at]]
		result := post.result with input as fixture.exporter("monitor", early)
		fixture.denies(result, "POST-RET-001")
	}
}

overdue := ["replace", "/contract/retention_days", 3]

# A deletion confirmed in the second in which the data arrived, or in this one, is confirmed.
test_ret_001_a_confirmation_in_the_first_and_in_the_last_second if {
	every at in [1795132800, 1795424400] {
		confirmed := [overdue, ["replace", "/transfer/deletion_confirmed_at", at]]
		post.result.allow == true with input as fixture.exporter("monitor", confirmed)
	}
}

# Time runs from the transfer: where none was completed there is nothing to delete, however little time there was agreed.
test_ret_001_nothing_came if {
	every days in [0, 3] {
		nothing := [
			["replace", "/contract/retention_days", days],
			["replace", "/transfer/completed_at", 0],
			["remove", "/transfer/deletion_confirmed_at", null],
		]
		post.result.allow == true with input as fixture.exporter("monitor", nothing)
		result := post.result with input as fixture.exporter("monitor", array.concat(nothing, [["replace", "/transfer/completed_at", 1]]))
		fixture.denies(result, "POST-RET-001")
	}
}

# What an earlier transfer left to delete holds up no later one by this rule: overdue is a finding of the monitor.
test_ret_001_is_overdue_at_the_monitor_only if {
	came := [overdue, ["add", "/transfer/completed_at", 1795132800], ["add", "/transfer/deletion_confirmed_at", 0]]
	every side in ["exporter", "importer"] {
		every phase in ["negotiation", "transfer"] {
			post.result.allow == true with input as fixture.changed(phase, side, came)
		}
		result := post.result with input as fixture.changed("monitor", side, came)
		fixture.denies(result, "POST-RET-001")
	}
}

passed_on(event) := [
	["replace", "/contract/onward_transfer", {"allowed": true, "countries": ["VN"]}],
	["replace", "/transfer/onward_events", [event]],
]

# The duties alone are not enough: the country too is one to which data may be passed on, or one that was agreed for use.
test_onw_001_passed_on_to_another_country if {
	every country in ["US", "CN"] {
		elsewhere := passed_on({"country": country, "flow_down": true})
		result := post.result with input as fixture.importer("monitor", elsewhere)
		{finding.detail | some finding in result.deny} == {country}
	}
	every country in ["VN", "SG", "KR"] {
		post.result.allow == true with input as fixture.importer("monitor", passed_on({"country": country, "flow_down": true}))
	}
}

test_onw_001_a_country_that_cannot_be_read if {
	every country in ["", "unknown", 84, null, ["VN"]] {
		result := post.result with input as fixture.importer("monitor", passed_on({"country": country, "flow_down": true}))
		fixture.denies(result, "POST-ONW-001")
	}
}

test_geo_001_one_finding_for_each_country if {
	elsewhere := [
		["replace", "/destination/storage_countries", ["SG", "VN"]],
		["replace", "/destination/processing_countries", ["VN", "US", "KR"]],
	]
	every phase in ["negotiation", "transfer", "monitor"] {
		result := post.result with input as fixture.importer(phase, elsewhere)
		result.allow == false
		{finding.detail | some finding in result.deny; finding.id == "POST-GEO-001"} == {"VN", "US"}
	}
}

test_geo_001_agreed if {
	every phase in ["negotiation", "transfer", "monitor"] {
		post.result.allow == true with input as fixture.exporter(phase, [])
	}
}

test_geo_001_a_subprocessor if {
	cloud := [["replace", "/contract/subprocessors", [{"name": "cloud", "country": "US"}]]]
	result := post.result with input as fixture.exporter("negotiation", cloud)
	fixture.denies(result, "POST-GEO-001")
	agreed := array.concat(cloud, [["replace", "/contract/allowed_countries", ["SG", "US"]]])
	post.result.allow == true with input as fixture.exporter("negotiation", agreed)
}

test_geo_001_the_providers_own_country if {
	own := [
		["replace", "/destination/storage_countries", ["KR", "SG"]],
		["replace", "/contract/allowed_countries", ["SG"]],
	]
	post.result.allow == true with input as fixture.importer("transfer", own)
	result := post.result with input as fixture.importer("transfer", array.concat(own, [["replace", "/provider/country", "JP"]]))
	fixture.denies(result, "POST-GEO-001")
}

test_cnt_001_the_last_and_the_next if {
	every phase in ["transfer", "monitor"] {
		last := post.result with input as fixture.exporter(phase, [["replace", "/transfer/occurrence", 10]])
		next := post.result with input as fixture.exporter(phase, [["replace", "/transfer/occurrence", 11]])
		last.allow == true
		fixture.denies(next, "POST-CNT-001")
	}
}

test_cnt_001_is_not_asked_before_a_transfer if {
	never := [["replace", "/contract/max_transfers", 0]]
	post.result.allow == true with input as fixture.importer("negotiation", never)
	result := post.result with input as fixture.importer("transfer", never)
	fixture.denies(result, "POST-CNT-001")
}

# What nobody counted, and what was agreed without a number, is over: no comparison with what is no number lets it through.
test_cnt_001_what_is_no_number if {
	every change in [
		["replace", "/transfer/occurrence", null],
		["replace", "/transfer/occurrence", false],
		["replace", "/transfer/occurrence", -1],
		["replace", "/contract/max_transfers", "10"],
		["replace", "/contract/max_transfers", {}],
		["remove", "/contract/max_transfers", null],
	] {
		result := post.result with input as fixture.exporter("transfer", [change])
		fixture.denies(result, "POST-CNT-001")
		fixture.open(result, "CORE-001")
	}
}
