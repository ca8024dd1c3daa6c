# Which maps leave Korea without a permit.
package naru.kr_geo_test

import data.naru.fixture
import data.naru.kr
import future.keywords.not
import rego.v1

survey(members) := [["replace", "/dataset/geo", object.union({"survey_product": true}, members)]]

coarse(scale) := survey({"scale": scale, "digital_topographic": false})

test_coarser_than_one_to_fifty_thousand if {
	kr.result.allow == true with input as fixture.exporter("negotiation", coarse(50001))
	every scale in [1000, 25000, 50000] {
		result := kr.result with input as fixture.exporter("negotiation", coarse(scale))
		fixture.denies(result, "KR-GEO-001")
	}
}

# A scale that is no number is coarser than nothing.
test_a_scale_that_cannot_be_read if {
	every scale in ["100000", "1:100000", "unknown", [100000], {"scale": 100000}, null, true] {
		result := kr.result with input as fixture.exporter("negotiation", coarse(scale))
		fixture.denies(result, "KR-GEO-001")
	}
}
