# The interpreter on offers in normal form: three values, both kinds of sets, and every way to say nothing. Whole offers as
# connectors write them are in spec/vectors/policy/odrl.json.
package naru.odrl_test

import data.naru.fixture
import data.naru.odrl
import future.keywords.not
import rego.v1

# The ordinary deal under an offer of these rules.
deal(phase, permissions, prohibitions, obligations, changes) := object.union(
	fixture.changed(phase, "exporter", changes),
	{"policy": {"permission": permissions, "prohibition": prohibitions, "obligation": obligations}},
)

rule(action, constraints) := {
	"at": "/r", "action": [action], "constraint": constraints, "duty": [],
	"assigner": null, "assignee": null, "target": null,
}

is(left, operator, right) := {"at": "/c", "leftOperand": left, "operator": operator, "rightOperand": right}

# One constraint in a permission, at transfer.
permits(c, changes) := result if {
	result := odrl.result with input as deal("transfer", [rule("use", [c])], [], [], changes)
}

# One constraint in a prohibition of all use.
prohibits(c, changes) := result if {
	result := odrl.result with input as deal("transfer", [rule("use", [])], [rule("use", [c])], [], changes)
}

open := is("weather", "eq", ["fair"])

yes := is("count", "lteq", 10)

no := is("count", "lteq", 0)

allowed(result) if {
	result.allow == true
	result.deny == set()
	result.undetermined == set()
}

denied(result, id) if {
	result.allow == false
	some d in result.deny
	d.id == id
}

undecided(result, id) if {
	result.allow == false
	result.deny == set()
	some d in result.undetermined
	d.id == id
}

# ODR-2.1: the closed world.
test_nothing_said_permits_nothing if {
	result := odrl.result with input as deal("transfer", [], [], [], [])
	denied(result, "ODRL-PERM-001")
}

test_a_permission_without_constraint_permits if {
	allowed(odrl.result) with input as deal("transfer", [rule("use", [])], [], [], [])
}

# ODR-2.2: three values of and, or, xone.
test_logic[note] if {
	some note, [word, parts, wanted] in {
		"and tt": ["and", [yes, yes], "t"],
		"and tf": ["and", [yes, no], "f"],
		"and tu": ["and", [yes, open], "u"],
		"and fu": ["and", [no, open], "f"],
		"or ff": ["or", [no, no], "f"],
		"or tu": ["or", [yes, open], "t"],
		"or fu": ["or", [no, open], "u"],
		"xone tf": ["xone", [yes, no], "t"],
		"xone tt": ["xone", [yes, yes], "f"],
		"xone ttu": ["xone", [yes, yes, open], "f"],
		"xone tu": ["xone", [yes, open], "u"],
		"xone ff": ["xone", [no, no], "f"],
		"xone fu": ["xone", [no, open], "u"],
		"and of nothing": ["and", [], "u"],
		"or of nothing": ["or", [], "u"],
		"xone of nothing": ["xone", [], "u"],
		"no list": ["and", "yes", "u"],
	}
	result := permits({"at": "/c", word: parts}, [])
	verdict(result) == wanted
}

verdict(result) := "t" if allowed(result)

verdict(result) := "f" if denied(result, "ODRL-PERM-001")

verdict(result) := "u" if undecided(result, "ODRL-PERM-002")

test_two_words_in_one_constraint_are_not_decided if {
	verdict(permits({"at": "/c", "and": [yes], "or": [yes]}, [])) == "u"
	verdict(permits({"at": "/c", "and": [yes], "leftOperand": "count", "operator": "lteq", "rightOperand": 10}, [])) == "u"
}

# ODR-2.3: uses are wholly inside what is permitted; any part that is prohibited blocks.
test_uses if {
	both := [["replace", "/contract/purposes", ["quality_analysis", "marketing"]]]
	verdict(permits(is("purpose", "isAnyOf", ["quality_analysis"]), [])) == "t"
	verdict(permits(is("purpose", "isAnyOf", ["quality_analysis"]), both)) == "f"
	denied(prohibits(is("purpose", "isAnyOf", ["marketing"]), both), "ODRL-PROH-001")
	allowed(prohibits(is("purpose", "isAnyOf", ["marketing"]), []))
	denied(prohibits(is("spatial", "isNoneOf", ["KR"]), []), "ODRL-PROH-001")
	allowed(prohibits(is("spatial", "isNoneOf", ["KR", "SG"]), []))
}

test_claims if {
	two := [["replace", "/consumer/certifications", ["global-cbpr", "iso27001"]]]
	verdict(permits(is("membership", "eq", ["global-cbpr"]), two)) == "t"
	verdict(permits(is("membership", "isAllOf", ["global-cbpr", "other"]), two)) == "f"
	verdict(permits(is("membership", "isNoneOf", ["iso27001"]), two)) == "f"
	verdict(permits(is("membership", "eq", ["global-cbpr"]), [])) == "u"
	denied(prohibits(is("membership", "isAnyOf", ["iso27001"]), two), "ODRL-PROH-001")
}

# ODR-2.4: what is not known is neither.
test_unknown_operands_operators_and_facts[note] if {
	some note, [c, changes] in {
		"operand": [open, []],
		"operator": [is("purpose", "resembles", ["quality_analysis"]), []],
		"isA": [is("purpose", "isA", ["quality_analysis"]), []],
		"isPartOf without a table": [is("purpose", "isPartOf", ["quality_analysis"]), []],
		"eq of two": [is("purpose", "eq", ["quality_analysis", "x"]), []],
		"no right side": [is("purpose", "isAnyOf", []), []],
		"text for a number": [is("count", "lteq", "10"), []],
		"number for a text": [is("purpose", "eq", 1), []],
		"fact absent": [is("purpose", "eq", ["quality_analysis"]), [["remove", "/transfer/purpose", null]]],
		"fact null": [is("spatial", "eq", ["SG"]), [["replace", "/destination/storage_countries", null]]],
		"fact unknown": [is("purpose", "eq", ["quality_analysis"]), [["replace", "/transfer/purpose", "unknown"]]],
		"fact of another kind": [is("count", "lteq", 10), [["replace", "/transfer/occurrence", "1"]]],
		"empty set": [is("spatial", "eq", ["SG"]), [["replace", "/destination/processing_countries", []]]],
		"identity expired": [
			is("recipient", "eq", ["did:key:z6MkpTHR8VNsBxYAAWHut2Geadd9jSwuBV8xRoAnwWsdvktH"]),
			[["replace", "/consumer/identity/expires_at", 1]],
		],
		"a place nobody resolves": [is("spatial", "isPartOf", ["APAC"]), []],
		"a region nobody verified": [is("spatial", "isPartOf", ["CPTPP"]), []],
	}
	verdict(permits(c, changes)) == "u"
	result := prohibits(c, changes)
	undecided(result, "ODRL-PROH-002")
}

test_a_place_beside_one_that_nobody_resolves if {
	verdict(permits(is("spatial", "isAnyOf", ["SG", "APAC"]), [])) == "t"
	verdict(permits(is("spatial", "isNoneOf", ["SG", "APAC"]), [])) == "f"
	verdict(permits(is("spatial", "isNoneOf", ["KR", "APAC"]), [])) == "u"
}

test_an_unverified_region_if_assumed if {
	assumed := [["add", "/assume_unverified", true]]
	verdict(permits(is("spatial", "isPartOf", ["CPTPP"]), assumed)) == "t"
}

# ODR-2.5: a region is what it is at the time of the question.
test_dates_of_regions if {
	de := [
		["replace", "/destination", {"storage_countries": ["DE"], "processing_countries": ["DE"]}],
		["replace", "/contract/onward_transfer", {"allowed": false, "countries": []}],
	]
	verdict(permits(is("spatial", "isPartOf", ["EU"]), de)) == "t"
	verdict(permits(is("spatial", "isPartOf", ["EU"]), array.concat(de, [["replace", "/now", 1580515199]]))) == "u"
	verdict(permits(is("spatial", "isPartOf", ["EU"]), array.concat(de, [["replace", "/now", 1580515200]]))) == "t"
	verdict(permits(is("spatial", "isPartOf", ["EU"]), [])) == "f"
}

# ODR-2.1: what may be passed on is asked for apart.
test_use_is_no_leave_to_pass_on if {
	on := [["replace", "/contract/onward_transfer/allowed", true]]
	result := odrl.result with input as deal("transfer", [rule("use", [])], [], [], on)
	denied(result, "ODRL-PERM-001")
	allowed(odrl.result) with input as deal("transfer", [rule("use", []), rule("distribute", [])], [], [], on)
	forbidden := odrl.result with input as deal("transfer", [rule("use", []), rule("distribute", [])], [rule("distribute", [])], [], on)
	denied(forbidden, "ODRL-PROH-001")
	kept := odrl.result with input as deal("transfer", [rule("use", [])], [rule("distribute", [])], [], [])
	allowed(kept)
	kept.obligations == {{"id": "ODRL-PROH-001", "duty": "refrain distribute", "on": "consumer", "after": "agreement", "within": null}}
	unsaid := odrl.result with input as deal("transfer", [rule("use", [])], [], [], [["remove", "/contract/onward_transfer", null]])
	undecided(unsaid, "ODRL-PERM-002")
}

# ODR-4: a document that is no normal form is not decided.
test_no_normal_form if {
	whole := deal("transfer", [rule("use", [])], [], [], [])
	every kind in ["permission", "prohibition", "obligation"] {
		result := odrl.result with input as json.patch(whole, [{"op": "remove", "path": concat("/", ["/policy", kind])}])
		result.allow == false
	}
	or_changes(whole)
}

or_changes(whole) if {
	every member in ["constraint", "duty", "action", "assignee", "assigner", "target"] {
		result := odrl.result with input as json.patch(whole, [{"op": "remove", "path": concat("/", ["/policy/permission/0", member])}])
		result.allow == false
	}
}
