# Who resists access by governments, and who does not.
package naru.eu_duties_test

import data.naru.eu
import data.naru.fixture
import future.keywords.not
import rego.v1

abroad := [["replace", "/provider/country", "DE"], ["replace", "/consumer/role", "processor"]]

home := [
	["replace", "/consumer/country", "NO"],
	["replace", "/destination/storage_countries", ["NO"]],
	["replace", "/destination/processing_countries", ["NO"]],
]

duties(changes) := {duty.id | some duty in result.obligations} if {
	result := eu.result with input as fixture.importer("transfer", changes)
}

test_a_processor_abroad if duties(abroad) == {"EU-DA-002"}

test_a_recipient_of_unknown_role if duties(array.concat(abroad, [["remove", "/consumer/role", null]])) == {"EU-DA-002"}

test_others if {
	every changes in [
		[],
		[["replace", "/consumer/role", "processor"]],
		array.concat(abroad, [["replace", "/provider/country", "CH"]]),
		array.concat(abroad, home),
		array.concat(abroad, [["replace", "/consumer/role", "controller"]]),
		array.concat(abroad, [["replace", "/dataset/personal/kind", "personal"]]),
		array.concat(abroad, [["replace", "/dataset/personal/kind", "pseudonymised"]]),
	] {
		duties(changes) == set()
	}
}
