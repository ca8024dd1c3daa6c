# The frame that every pack is built on: which rules count here, which facts they need, and the shape of the result.
#
# A rule of law is easy to write so that a missing fact makes it silent. The gate turns that round: each rule says in
# the pack's data which facts it needs, and a needed fact that is absent, null, "unknown" or of the wrong kind makes the
# result undetermined, whatever the rule itself would have said.
# Not here: any law. Clauses POL-4 and POL-5 of the specification.
package naru.lib

import future.keywords.not
import rego.v1

phases := {"catalog", "negotiation", "transfer", "monitor"}

sides := {"exporter", "importer"}

absent := "\u0000absent"

# The value at a JSON pointer, or `absent`. Total: a path through something that is no object is absent too.
at(pointer) := object.get(input, path(pointer), absent)

# The same for the detail of a finding, which is always a text.
word(pointer) := value if {
	value := at(pointer)
	text(value)
}

word(pointer) := "missing" if not text(at(pointer))

path(pointer) := array.slice(parts, 1, count(parts)) if parts := split(pointer, "/")

# A pack that is about one country's exporters stays silent for others, but only if it knows that they are others.
out_of_scope if {
	some fact in plan.scope
	value := object.get(input, fact.path, absent)
	typed("country", value)
	not value in fact.countries
}

early(span) if input.now < span.from

late(span) if {
	is_number(span.to)
	input.now >= span.to
}

live(span) if {
	not early(span)
	not late(span)
}

# What the pack's descriptions come to for each phase and side, which no input changes: drawn up when the pack is built, or here
# where that was not done.
plan := data.pack.plan

plan := drawn if not data.pack.plan

drawn := {
	"scope": [object.union(described(pointer), {"countries": countries}) | some pointer, countries in data.pack.applies],
	"phases": {phase: {party: part(phase, party) | some party in (sides | {"neither"})} | some phase in phases},
}

# A fact that no pack describes has no type, and so is never sound.
described(pointer) := object.union(
	{"pointer": pointer, "path": path(pointer)},
	object.filter(object.get(data.pack.facts, pointer, {}), ["type", "values"]),
)

part(phase, party) := {
	"mine": {id: dates(rule) | some id, rule in own},
	"others": [object.union({"id": id, "evaluator": rule.evaluator}, dates(rule)) |
		party in sides
		some id, rule in in_phase
		not own[id]
		not rule.awaited == false
	],
	"needs": [object.union(described(pointer), {"spans": spans}) |
		some pointer in {need | some rule in own; some need in rule.needs}
		spans := {dates(rule) | some rule in own; pointer in rule.needs}
	],
	"conditions": [object.union({"path": path(condition.when), "in": condition["in"], "need": need}, dates(rule)) |
		some rule in own
		some condition in rule.needs_if
		need := [described(pointer) | some pointer in condition.need]
	],
} if {
	in_phase := {id: rule | some id, rule in data.pack.rules; phase in rule.phases}
	own := {id: rule | some id, rule in in_phase; rule.evaluator in {"both", party}}
}

dates(rule) := object.filter(rule.in_force, ["from", "to"])

here := plan.phases[input.phase][side]

side := input.side if input.side in sides

side := "neither" if not input.side in sides

# Rules that this side may evaluate. The rest are the other side's, and are delegated: this side waits for its answer,
# unless the rule says that nobody need wait (what a side does for itself alone, such as screening its partner).
mine(id) if {
	live(here.mine[id])
	not out_of_scope
}

delegated contains {"id": other.id, "evaluator": other.evaluator} if {
	some other in here.others
	live(other)
	not out_of_scope
}

gaps contains fact.pointer if {
	some fact in here.needs
	not sound(fact)
	some span in fact.spans
	live(span)
	not out_of_scope
}

gaps contains fact.pointer if {
	some condition in here.conditions
	object.get(input, condition.path, absent) in condition["in"]
	some fact in condition.need
	not sound(fact)
	live(condition)
	not out_of_scope
}

gaps contains fact.pointer if {
	some fact in plan.scope
	not out_of_scope
	not sound(fact)
}

sound(fact) if {
	value := object.get(input, fact.path, absent)
	typed(fact.type, value)
	permitted(fact, value)
}

gaps contains "/now" if not typed("integer", input.now)

typed(type, value) if {
	type == "boolean"
	is_boolean(value)
} else if {
	type == "string"
	text(value)
} else if {
	type == "strings"
	texts(value)
} else if {
	type == "country"
	country_code(value)
} else if {
	type == "integer"
	natural(value)
} else if {
	type == "some strings"
	texts(value)
	count(value) > 0
} else if {
	type == "some countries"
	is_array(value)
	count(value) > 0
	every item in value { country_code(item) }
} else if {
	type == "objects"
	objects(value)
} else if {
	type == "located objects"
	objects(value)
	every item in value { country_code(item.country) }
}

natural(value) if {
	is_number(value)
	value >= 0
}

text(value) if {
	is_string(value)
	not value in {"", "unknown", absent}
}

country_code(value) if {
	text(value)
	count(value) == 2
}

texts(value) if {
	is_array(value)
	every item in value { text(item) }
}

objects(value) if {
	is_array(value)
	every item in value { is_object(item) }
}

permitted(fact, _) if not fact.values

permitted(fact, value) if value in fact.values

# Phase and side choose the rules, so that a wrong one would choose none: that is a denial of its own.
frame contains {"id": "CORE-000", "detail": "/phase"} if not input.phase in phases

frame contains {"id": "CORE-000", "detail": "/side"} if not input.side in sides

# Reference data that nobody has read in its source stand in the packs with `verified: false`. A rule that rests on such a
# datum is undetermined, unless the host says that it takes such data on trust (`assume_unverified`); core marks that.
assumed if input.assume_unverified == true

unverified(datum) if not datum.verified == true

resting(found) := {{"id": item.id, "detail": concat("", ["unverified: ", item.datum])} |
	some item in object.get(found, "rests", set())
	not assumed
}

# The pack's own findings count only for rules that are active and this side's to evaluate.
ours(found) := {item | some item in found; mine(item.id)}

result(found) := {
	"allow": allow(denied, open),
	"visible": visible(denied),
	"deny": denied,
	"undetermined": open,
	"delegated": delegated,
	"obligations": ours(found.obligations),
	"basis": {{"framework": b.framework, "article": b.article, "strength": b.strength} | some b in ours(found.basis)},
} if {
	denied := ours(found.deny) | frame
	open := (ours(found.undetermined) | ours(resting(found))) | {{"id": "CORE-001", "detail": pointer} | some pointer in gaps}
}

default catalog := false

catalog if input.phase == "catalog"

allow(_, _) := null if catalog

allow(denied, open) := (count(denied) + count(open)) == 0 if not catalog

visible(denied) := count(denied) == 0 if catalog

visible(_) := null if not catalog
