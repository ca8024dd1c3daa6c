# Every vector of spec/vectors/policy/rules.json that is about a rule of this pack: what must be allowed, and what must be denied.
package naru.core_vectors_test

import data.naru.fixture
import data.naru.core
import future.keywords.not
import rego.v1

test_vectors[name] if {
	some vector in data.vectors.vectors
	data.pack.rules[vector.rule]
	not of_another_pack(vector)
	name := concat("", [vector.name, " (", vector.phase, ", ", vector.side, ")"])
	result := core.result with input as fixture.patched(vector)
	fixture.holds(vector.expect, vector, result)
}

# A rule that no vector is about was never tried.
test_every_rule_has_a_vector if {
	every id, _ in data.pack.rules {
		some vector in data.vectors.vectors
		vector.rule == id
	}
}

# What is missing may be a fact that a rule of another pack needs.
of_another_pack(vector) if {
	vector.rule == "CORE-001"
	vector.expect == "undetermined"
	not data.pack.facts[vector.detail]
}
