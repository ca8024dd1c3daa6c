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
		result.obligations == {{
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
