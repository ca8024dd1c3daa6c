# Module `odrl`: what the offer of a deal says, interpreted as data. One module for every offer: nothing is generated.
#
# The host brings an offer into normal form (policy/src/odrl/) and puts it into the input as `policy`; the other members
# are those that the packs of law are given. Everything is three-valued: "t", "f", or "u" where the operand, the operator
# or a fact is not known. A permission must be "t" to permit, a prohibition "f" not to block.
# Which state each rule is in is here; what facts an operand reads is in facts.rego. Clauses ODR of the specification.
package naru.odrl

import future.keywords.not
import rego.v1

result := {
	"allow": allow,
	"visible": visible,
	"deny": deny,
	"undetermined": undetermined,
	"delegated": [],
	"obligations": obligations,
	"basis": [],
}

default catalog := false

catalog if input.phase == "catalog"

allow := null if catalog

allow := (count(deny) + count(undetermined)) == 0 if not catalog

visible := count(deny) == 0 if catalog

visible := null if not catalog

# The frame: a question that is none is denied, a document that is no normal form is not decided.

deny contains {"id": "ODRL-000", "detail": "/phase"} if not input.phase in {"catalog", "negotiation", "transfer", "monitor"}

deny contains {"id": "ODRL-000", "detail": "/side"} if not input.side in {"exporter", "importer"}

undetermined contains {"id": "ODRL-000", "detail": "/now"} if not natural(input.now)

undetermined contains {"id": "ODRL-000", "detail": concat("", ["/policy/", kind])} if {
	some kind in ["permission", "prohibition", "obligation"]
	not rules_of(kind)
}

rules_of(kind) := rules if {
	rules := input.policy[kind]
	is_array(rules)
	every rule in rules { is_object(rule) }
}

permissions := rules_of("permission")

prohibitions := rules_of("prohibition")

duties := rules_of("obligation")

# Logic of three values.

and3(states) := "f" if "f" in states

and3(states) := "t" if every state in states { state == "t" }

and3(states) := "u" if {
	not "f" in states
	not all_true(states)
}

all_true(states) if every state in states { state == "t" }

or3(states) := "t" if "t" in states

or3(states) := "f" if {
	count(states) > 0
	every state in states { state == "f" }
}

or3(states) := "u" if {
	not "t" in states
	not all_false(states)
}

all_false(states) if {
	count(states) > 0
	every state in states { state == "f" }
}

not3("t") := "f"

not3("f") := "t"

not3("u") := "u"

# Exactly one: decided once two hold, or once nothing is open.
xone3(states) := "f" if count([s | some s in states; s == "t"]) > 1

xone3(states) := "t" if {
	count([s | some s in states; s == "t"]) == 1
	not "u" in states
}

xone3(states) := "f" if all_false(states)

xone3(states) := "u" if {
	count([s | some s in states; s == "t"]) < 2
	"u" in states
}

xone3([]) := "u"

# Constraints. `mode` is "every" in a permission, "some" in a prohibition: a permission holds for what is wholly inside
# it, a prohibition is met by any part of what it forbids.

default constraint(_, _) := "u"

constraint(c, mode) := atom(c, mode) if {
	c.leftOperand
	count(groups_in(c)) == 0
}

constraint(c, mode) := state if {
	groups := groups_in(c)
	count(groups) == 1
	not c.leftOperand
	some word in groups
	parts := c[word]
	is_array(parts)
	count(parts) > 0
	state := combine(word, [atom(part, mode) | some part in parts])
}

groups_in(c) := {"and", "or", "xone"} & object.keys(c)

combine("and", states) := and3(states)

combine("or", states) := or3(states)

combine("xone", states) := xone3(states)

default constraints(_, _) := ["u"]

constraints(rule, mode) := [constraint(c, mode) | some c in rule.constraint] if is_array(rule.constraint)

# Whom and what a rule is about. An offer in a catalog leaves these open (null): they are bound by the deal itself.

bound(rule) := [
	bound_to(rule, "assignee", input_text(["consumer", "id"])),
	bound_to(rule, "assigner", input_text(["provider", "id"])),
	bound_to(rule, "target", input_text(["dataset", "id"])),
]

default bound_to(_, _, _) := "u"

bound_to(rule, member, _) := "t" if rule[member] == null

bound_to(rule, member, fact) := "t" if {
	is_string(rule[member])
	rule[member] == fact
}

bound_to(rule, member, fact) := "f" if {
	is_string(rule[member])
	fact != null
	rule[member] != fact
}

# Acts: what the consumer would do. Passing on is asked for as soon as it is not excluded.

asked.use := "t"

asked.distribute := passing_on

# What an action of a rule covers. `use` is no leave to pass on, and to forbid it forbids that too.
covered(action, act) if act in data.odrl.permits[action]

forbidden(action, act) := "t" if act in data.odrl.forbids[action]

forbidden(action, act) := "f" if {
	known := data.odrl.forbids[action]
	not act in known
}

forbidden(action, _) := "u" if not data.odrl.forbids[action]

# Permissions: of those that cover an act, one must hold, with the duties that go before.

candidates[act] contains i if {
	some act, _ in asked
	some i, rule in permissions
	is_array(rule.action)
	some action in rule.action
	covered(action, act)
}

permission_state[i] := and3(array.concat(array.concat(bound(rule), constraints(rule, "every")), before(rule))) if {
	some i, rule in permissions
}

held[act] := or3([permission_state[i] | some i in candidates[act]]) if count(candidates[act]) > 0

held[act] := "f" if {
	some act, _ in asked
	not count(candidates[act]) > 0
}

deny contains {"id": "ODRL-PERM-001", "detail": detail} if {
	some act, "t" in asked
	held[act] == "f"
	some detail in named(act, "f")
}

undetermined contains {"id": "ODRL-PERM-002", "detail": detail} if {
	some act, "t" in asked
	held[act] == "u"
	some detail in named(act, "u")
}

undetermined contains {"id": "ODRL-PERM-002", "detail": "/contract/onward_transfer"} if {
	some act, "u" in asked
	held[act] != "t"
}

# What of the permissions keeps an act from being permitted, where it is in the rule. Never empty: without a detail a
# finding would be none.
named(act, state) := unmet(act, state) if count(unmet(act, state)) > 0

named(act, state) := {concat(" ", ["/permission", act])} if not count(unmet(act, state)) > 0

unmet(act, _) := {concat(" ", ["/permission", act])} if not count(candidates[act]) > 0

unmet(act, state) := {detail |
	some i in candidates[act]
	permission_state[i] == state
	some detail in open_parts(permissions[i], "every", state)
} if count(candidates[act]) > 0

open_parts(rule, mode, state) := (in_constraints | in_binding) | in_duties if {
	in_constraints := {place(c) | some c in rule.constraint; constraint(c, mode) == state}
	names := ["assignee", "assigner", "target"]
	in_binding := {concat("/", [spot(rule), names[n]]) | some n, s in bound(rule); s == state}
	in_duties := {place(d) | some d in rule.duty; before_one(d) == state}
}

default place(_) := "a constraint of no form"

place(c) := concat(" ", [c.at, c.leftOperand])

place(c) := concat(" ", [c.at, c.action]) if not c.leftOperand

place(c) := c.at if {
	not c.leftOperand
	not c.action
}

default spot(_) := "a rule of no form"

spot(rule) := rule.at

# Duties before: no data move until they are done. Up to the agreement they are only named.

default before(_) := ["u"]

before(rule) := [before_one(d) | some d in rule.duty] if is_array(rule.duty)

default before_one(_) := "u"

before_one(d) := "t" if {
	data.odrl.before[d.action]
	not input.phase in {"transfer", "monitor"}
}

before_one(d) := or3([not3(and3(constraints(d, "every"))), performed(d.action)]) if {
	data.odrl.before[d.action]
	input.phase in {"transfer", "monitor"}
}

obligations contains {"id": "ODRL-DUTY-001", "duty": d.action, "on": data.odrl.before[d.action], "after": "agreement", "within": null} if {
	not input.phase in {"transfer", "monitor"}
	some rule in permissions
	some d in rule.duty
}

deny contains {"id": "ODRL-DUTY-001", "detail": place(d)} if {
	some act, "t" in asked
	held[act] == "f"
	some i in candidates[act]
	some d in permissions[i].duty
	before_one(d) == "f"
}

# Prohibitions: they win over permissions, and one that cannot be decided blocks as one that holds.

prohibition_state[i] := and3(array.concat(
	[or3([and3([wanted, forbidden(action, act)]) | some action in rule.action; some act, wanted in asked])],
	array.concat(bound(rule), constraints(rule, "some")),
)) if {
	some i, rule in prohibitions
	is_array(rule.action)
	count(rule.action) > 0
}

deny contains {"id": "ODRL-PROH-001", "detail": where(rule)} if {
	some i, rule in prohibitions
	prohibition_state[i] == "t"
}

undetermined contains {"id": "ODRL-PROH-002", "detail": where(rule)} if {
	some i, rule in prohibitions
	not prohibition_state[i] in {"t", "f"}
}

where(rule) := concat(" ", array.concat([spot(rule)], [a | some a in rule.action; is_string(a)]))

# What is forbidden and not asked for stays a duty: to refrain from it.
obligations contains {"id": "ODRL-PROH-001", "duty": concat(" ", ["refrain", action]), "on": "consumer", "after": "agreement", "within": null} if {
	some i, rule in prohibitions
	prohibition_state[i] == "f"
	some action in rule.action
	every act, wanted in asked { and3([wanted_at_all(wanted), forbidden(action, act)]) == "f" }
}

wanted_at_all("f") := "f"

wanted_at_all(wanted) := "t" if wanted != "f"

# Duties after.

obligations contains {"id": "ODRL-OBL-001", "duty": d.action, "on": d.on, "after": d.after, "within": d.within} if {
	some d in duties
	understood(d)
}

undetermined contains {"id": "ODRL-OBL-001", "detail": place(d)} if {
	some d in duties
	not understood(d)
}

understood(d) if {
	d.action in data.odrl.after
	d.on in {"provider", "consumer"}
	d.after in {"agreement", "completion"}
	timed(d.within)
	d.constraint == []
}

timed(null)

timed(within) if natural(within)

# A deletion that is due and not confirmed ends the use, and what is not known about it is not confirmed.
deny contains {"id": "ODRL-OBL-002", "detail": place(d)} if {
	some d in duties
	deletion_state(d) == "f"
}

undetermined contains {"id": "ODRL-OBL-002", "detail": place(d)} if {
	some d in duties
	deletion_state(d) == "u"
}

deletion_state(d) := fulfilled(d) if {
	input.phase == "monitor"
	d.action == "delete"
	is_number(d.within)
}
