# What the operands of a constraint read, and how they are compared. Not here: what follows from it (odrl.rego).
#
# A fact that is absent, null, "unknown", of another kind or an empty set is not known. Two kinds of sets: *uses* (purpose,
# places), all of which a permission must cover and any of which meets a prohibition; and *claims* about a party or the
# deal, of which one is enough.
package naru.odrl

import future.keywords.not
import rego.v1

natural(value) if {
	is_number(value)
	value >= 0
}

text(value) if {
	is_string(value)
	not value in {"", "unknown"}
}

input_at(path) := object.get(input, path, null)

input_text(path) := value if {
	value := input_at(path)
	text(value)
}

input_text(path) := null if not text(input_at(path))

# Facts as sets; null where not known.

default values(_) := null

values("purpose") := known_set(array.concat(input_list(["contract", "purposes"]), [input_at(["transfer", "purpose"])]))

values("spatial") := known_set(array.concat(
	array.concat(
		some_of(input_list(["destination", "storage_countries"])),
		some_of(input_list(["destination", "processing_countries"])),
	),
	array.concat(
		array.concat(input_list(["contract", "onward_transfer", "countries"]), events),
		[country_of(item) | some item in input_list(["contract", "subprocessors"])],
	),
))

values("recipient") := known_set([input_at(["consumer", "id"])]) if identified

values("membership") := known_set(input_list(["consumer", "certifications"])) if identified

values("industry") := known_set(input_list(["consumer", "industry"])) if identified

values("role") := known_set([input_at(["consumer", "role"])]) if identified

values("framework") := known_set([input_at(["contract", "framework"])])

values("clauses") := known_set([name | some name, true in input.contract.clauses])

values("artifactState") := {"encrypted"} if input_at(["transfer", "encrypted"]) == true

values("artifactState") := {"plain"} if input_at(["transfer", "encrypted"]) == false

# A list, or one unknown element where there is none.
input_list(path) := value if {
	value := input_at(path)
	is_array(value)
}

input_list(path) := [null] if not is_array(input_at(path))

some_of(items) := items if count(items) > 0

some_of([]) := [null]

# What was passed on is known only while it is watched.
events := [] if input.phase != "monitor"

events := [country_of(item) | some item in input_list(["transfer", "onward_events"])] if input.phase == "monitor"

# Total: an item without a country is an unknown country, and not none.
default country_of(_) := null

country_of(item) := item.country if text(item.country)

known_set(items) := {item | some item in items} if {
	count(items) > 0
	every item in items { text(item) }
}

# Claims count only while the party that makes them is known.
identified if {
	input.consumer.identity.verified == true
	natural(input.consumer.identity.expires_at)
	input.now < input.consumer.identity.expires_at
}

# Facts as numbers.

number("dateTime") := input.now if natural(input.now)

number("sinceAgreement") := input.now - input.contract.valid_from if {
	natural(input.now)
	natural(input.contract.valid_from)
}

# The first transfer is the one that is being agreed.
number("count") := 1 if input.phase == "negotiation"

number("count") := input.transfer.occurrence if {
	input.phase in {"transfer", "monitor"}
	natural(input.transfer.occurrence)
}

# Time runs from the delivery, and ends with the deletion.
number("elapsedTime") := 0 if input.phase in {"negotiation", "transfer"}

number("elapsedTime") := 0 if {
	input.phase == "monitor"
	input.transfer.completed_at == 0
}

number("elapsedTime") := until - input.transfer.completed_at if {
	input.phase == "monitor"
	natural(input.transfer.completed_at)
	input.transfer.completed_at > 0
	until := end_of_use
}

end_of_use := input.now if {
	natural(input.now)
	input.transfer.deletion_confirmed_at == 0
}

end_of_use := input.transfer.deletion_confirmed_at if {
	natural(input.transfer.deletion_confirmed_at)
	input.transfer.deletion_confirmed_at > 0
}

# One comparison.

default atom(_, _) := "u"

atom(c, _) := compared(c.operator, number(c.leftOperand), c.rightOperand) if {
	c.operator in data.odrl.operands[c.leftOperand].operators
	is_number(c.rightOperand)
}

atom(c, mode) := state if {
	c.operator in data.odrl.operands[c.leftOperand].operators
	kind := data.odrl.operands[c.leftOperand].kind
	facts := values(c.leftOperand)
	facts != null
	is_array(c.rightOperand)
	count(c.rightOperand) > 0
	right := expanded(c.leftOperand, c.rightOperand)
	state := related(kind, c.operator, mode, facts, right)
}

compared("lt", left, right) := truth(left < right)

compared("lteq", left, right) := truth(left <= right)

compared("gt", left, right) := truth(left > right)

compared("gteq", left, right) := truth(left >= right)

compared("eq", left, right) := truth(left == right)

truth(true) := "t"

truth(false) := "f"

# The right side: what is in it, and whether it holds something that nobody can resolve. Regions are those of the pack's
# data, as they are at the time of the question.
expanded(operand, items) := {"known": {item | some item in items}, "open": false} if {
	operand != "spatial"
	every item in items { text(item) }
}

expanded("spatial", items) := {
	"known": {c | some item in items; some c in places(item)},
	"open": count([item | some item in items; not places(item)]) > 0,
}

places(name) := {c | some c, from in data.odrl.regions[name].members; from <= input.now} if relied_on(name)

places(code) := {code} if {
	not data.odrl.regions[code]
	is_string(code)
	count(code) == 2
	upper(code) == code
}

# A table counts from its own first day, and only if somebody verified it or the question says that this is assumed.
relied_on(name) if {
	data.odrl.regions[name].from <= input.now
	vouched(data.odrl.regions[name])
}

vouched(region) if region.verified == true

vouched(_) if input.assume_unverified == true

inside(fact, right) := "t" if fact in right.known

inside(fact, right) := "u" if {
	not fact in right.known
	right.open
}

inside(fact, right) := "f" if {
	not fact in right.known
	not right.open
}

# Undefined, and so "u", for every other operator.
related("uses", operator, mode, facts, right) := quantified(mode, [placed(operator, fact, right) | some fact in facts]) if {
	operator != "isAllOf"
	single(operator, right)
}

related("claims", operator, _, facts, right) := or3([placed(operator, fact, right) | some fact in facts]) if {
	operator in {"eq", "isAnyOf"}
	single(operator, right)
}

related("claims", operator, _, facts, right) := and3([placed(operator, fact, right) | some fact in facts]) if {
	operator in {"neq", "isNoneOf"}
	single(operator, right)
}

related("claims", "isAllOf", _, facts, right) := and3([inside(wanted, {"known": facts, "open": false}) |
	some wanted in right.known
])

# `eq` and `neq` are said of one value; of a region they would be said of many.
single(operator, _) if operator in {"isAnyOf", "isNoneOf", "isPartOf"}

single(operator, right) if {
	operator in {"eq", "neq"}
	count(right.known) == 1
}

quantified("every", states) := and3(states)

quantified("some", states) := or3(states)

placed(operator, fact, right) := inside(fact, right) if operator in {"eq", "isAnyOf", "isPartOf"}

placed(operator, fact, right) := not3(inside(fact, right)) if operator in {"neq", "isNoneOf"}

# Whether the data may be passed on: excluded only where it is said, in terms, and at monitor where nothing was.

passing_on := "f" if kept

passing_on := "t" if passed_on

passing_on := "u" if {
	not passed_on
	not kept
}

passed_on if input.contract.onward_transfer.allowed == true

passed_on if count(known_set(input.contract.onward_transfer.countries)) > 0

passed_on if count(known_set(events)) > 0

kept if {
	input.contract.onward_transfer.allowed == false
	input.contract.onward_transfer.countries == []
	count(events) == 0
}

# Duties that were done before: acts that the host knows of. No list is not an empty list.

default performed(_) := "u"

performed(action) := "t" if {
	some act in input_list(["transfer", "performed"])
	act.action == action
	natural(act.at)
	act.at <= input.now
}

performed(action) := "f" if {
	acts := input_at(["transfer", "performed"])
	is_array(acts)
	every act in acts { act.action != action }
}

# Deletion within its time: done, or not yet due.

default fulfilled(_) := "u"

fulfilled(_) := "t" if input.transfer.completed_at == 0

fulfilled(_) := "t" if {
	natural(input.transfer.deletion_confirmed_at)
	input.transfer.deletion_confirmed_at > 0
}

fulfilled(d) := state if {
	natural(input.transfer.completed_at)
	input.transfer.completed_at > 0
	input.transfer.deletion_confirmed_at == 0
	state := truth(input.now <= (runs_from(d) + d.within))
}

runs_from(d) := input.transfer.completed_at if d.after == "completion"

runs_from(d) := input.contract.valid_from if {
	d.after == "agreement"
	natural(input.contract.valid_from)
}
