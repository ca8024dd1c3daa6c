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
	some pointer, wanted in data.pack.applies
	value := at(pointer)
	typed("country", value)
	not value in wanted
}

early(rule) if input.now < rule.in_force.from

late(rule) if {
	is_number(rule.in_force.to)
	input.now >= rule.in_force.to
}

active[id] := rule if {
	not out_of_scope
	some id, rule in data.pack.rules
	input.phase in rule.phases
	not early(rule)
	not late(rule)
}

# Rules that this side may evaluate. The rest are the other side's, and are delegated: this side waits for its answer,
# unless the rule says that nobody need wait (what a side does for itself alone, such as screening its partner).
mine[id] := rule if {
	some id, rule in active
	rule.evaluator in {"both", input.side}
}

delegated contains {"id": id, "evaluator": rule.evaluator} if {
	input.side in sides
	some id, rule in active
	not mine[id]
	not rule.awaited == false
}

needed contains pointer if {
	some rule in mine
	some pointer in rule.needs
}

needed contains pointer if {
	some rule in mine
	some condition in rule.needs_if
	at(condition.when) in condition["in"]
	some pointer in condition.need
}

needed contains pointer if {
	not out_of_scope
	some pointer in object.keys(data.pack.applies)
}

gaps contains pointer if {
	some pointer in needed
	not sound(pointer)
}

gaps contains "/now" if not typed("integer", input.now)

sound(pointer) if {
	fact := data.pack.facts[pointer]
	value := at(pointer)
	typed(fact.type, value)
	permitted(fact, value)
}

typed("boolean", value) if is_boolean(value)

typed("integer", value) if natural(value)

typed("string", value) if text(value)

typed("country", value) if country_code(value)

# A list that may be empty: "none" was said.
typed("strings", value) if texts(value)

# A list that says nothing when it is empty.
typed("some strings", value) if {
	texts(value)
	count(value) > 0
}

typed("some countries", value) if {
	is_array(value)
	count(value) > 0
	every item in value { country_code(item) }
}

typed("objects", value) if objects(value)

typed("located objects", value) if {
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
ours(found) := {item | some item in found; mine[item.id]}

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
