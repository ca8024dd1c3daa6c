# Every vector of spec/vectors/policy/rules.json that is about a rule of this pack: what must be allowed, and what must be denied.
package naru.nz_vectors_test

import data.naru.fixture
import data.naru.nz
import future.keywords.not
import rego.v1

test_vectors[name] if {
	some vector in data.vectors.vectors
	data.pack.rules[vector.rule]
	name := concat("", [vector.name, " (", vector.phase, ", ", vector.side, ")"])
	result := nz.result with input as fixture.patched(vector)
	fixture.holds(vector.expect, vector, result)
}

# A rule that no vector is about was never tried.
test_every_rule_has_a_vector if {
	every id, _ in data.pack.rules {
		some vector in data.vectors.vectors
		vector.rule == id
	}
}
