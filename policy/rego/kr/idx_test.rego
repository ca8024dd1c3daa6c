package naru.kr_idx_test

import data.naru.fixture
import data.naru.kr
import future.keywords.not
import rego.v1

recipient(forbids) := [["replace", "/dataset/rights", {"basis": "recipient", "agreement_forbids": forbids}]]

co_generator(forbids) := [["replace", "/dataset/rights", {"basis": "co_generator", "co_agreement_forbids": forbids}]]

test_idx_001_forbidden if {
	every changes in [recipient(true), co_generator(true)] {
		result := kr.result with input as fixture.importer("negotiation", changes)
		fixture.denies(result, "KR-IDX-001")
	}
}

test_idx_001_permitted if {
	every changes in [recipient(false), co_generator(false)] {
		kr.result.allow == true with input as fixture.importer("negotiation", changes)
	}
}

test_idx_001_not_said if {
	result := kr.result with input as fixture.exporter("negotiation", [["replace", "/dataset/rights/basis", "recipient"]])
	fixture.open(result, "CORE-001")
}

test_idx_001_hides_from_the_catalog if {
	result := kr.result with input as fixture.exporter("catalog", recipient(true))
	result.visible == false
}

test_idx_001_is_about_industrial_data if {
	every changes in [recipient(true), co_generator(true)] {
		research := array.concat(changes, [["replace", "/dataset/categories", ["research"]]])
		kr.result.allow == true with input as fixture.exporter("negotiation", research)
		both := array.concat(changes, [["replace", "/dataset/categories", ["research", "industrial"]]])
		result := kr.result with input as fixture.exporter("negotiation", both)
		fixture.denies(result, "KR-IDX-001")
	}
}

# Data of no category were not declared to be other data.
test_idx_001_no_category_is_as_good_as_industrial if {
	none := [["replace", "/dataset/categories", []]]
	every changes in [recipient(true), co_generator(true)] {
		result := kr.result with input as fixture.exporter("negotiation", array.concat(changes, none))
		fixture.denies(result, "KR-IDX-001")
		fixture.open(result, "CORE-001")
	}
}

# An agreement binds who got the data under it: who generated them alone, or in the other way, is not held to it.
test_idx_001_the_agreement_of_another_basis if {
	every rights in [
		{"basis": "generator", "agreement_forbids": true, "co_agreement_forbids": true},
		{"basis": "recipient", "agreement_forbids": false, "co_agreement_forbids": true},
		{"basis": "co_generator", "agreement_forbids": true, "co_agreement_forbids": false},
	] {
		kr.result.allow == true with input as fixture.exporter("negotiation", [["replace", "/dataset/rights", rights]])
	}
}
