# Tests of pack `house`: one deal that is denied, one that is not.
package naru.house_test

import data.naru.house

import future.keywords.not
import rego.v1

deal(purpose) := {"now": 1795424400, "phase": "transfer", "side": "exporter", "transfer": {"purpose": purpose}}

test_marketing_is_denied if {
	result := house.result with input as deal("marketing")
	result.allow == false
	some finding in result.deny
	finding.id == "HOUSE-001"
}

test_research_is_allowed if {
	result := house.result with input as deal("research")
	result.allow == true
}
