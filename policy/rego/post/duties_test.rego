# Which duties a deal brings, and which it does not.
package naru.post_duties_test

import data.naru.fixture
import data.naru.post
import future.keywords.not
import rego.v1

duties(changes) := {duty.id | some duty in result.obligations} if {
	result := post.result with input as fixture.importer("negotiation", changes)
}

always := {"POST-LOG-001", "POST-RET-001"}

test_machine_data_that_stay if duties([]) == always

test_data_that_may_be_passed_on if {
	duties([["replace", "/contract/onward_transfer/allowed", true]]) == always | {"POST-ONW-001"}
	duties([["remove", "/contract/onward_transfer/allowed", null]]) == always | {"POST-ONW-001"}
}

test_personal_data if {
	duties([["replace", "/dataset/personal/kind", "personal"]]) == always | {"POST-BRE-001"}
	duties([["replace", "/dataset/personal/kind", "anonymised"]]) == always
}

test_both_keep_the_log_for_five_years if {
	result := post.result with input as fixture.exporter("transfer", [])
	kept := {duty.on: duty.within | some duty in result.obligations; duty.id == "POST-LOG-001"}
	kept == {"consumer": 1827 * 86400, "provider": 1827 * 86400}
}

test_a_leak_is_told_within_three_days if {
	result := post.result with input as fixture.exporter("transfer", [["replace", "/dataset/personal/kind", "personal"]])
	[259200] == [duty.within | some duty in result.obligations; duty.id == "POST-BRE-001"]
}

# Even of a deal that brings every duty: what becomes of duties once told, other parts of a node watch.
test_nothing_is_told_at_catalog_and_monitor if {
	every phase in ["catalog", "monitor"] {
		result := post.result with input as fixture.exporter(phase, [
			["replace", "/dataset/personal/kind", "personal"],
			["add", "/contract", object.union(
				fixture.input_at("transfer", "exporter").contract,
				{"onward_transfer": {"allowed": true, "countries": ["SG"]}},
			)],
		])
		result.obligations == set()
	}
}
