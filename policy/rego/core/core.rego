# Pack `core`: what holds for every deal, whatever the law: known parties, a framework in force, terms that run, an
# accepted rule set, no stop order. CORE-000 and CORE-001 are the frame's (lib/gate.rego).
package naru.core

import data.naru.agreements
import data.naru.lib

import future.keywords.not
import rego.v1

result := lib.result({
	"deny": deny,
	"undetermined": undetermined,
	"obligations": obligations,
	"basis": set(),
	"rests": rests,
})

# The mark of a result for which unread reference data were taken on trust.
obligations contains {
	"id": "CORE-001",
	"duty": "confirm_reference_data",
	"on": "provider",
	"after": "decision",
	"within": null,
} if {
	lib.assumed
}

deny contains {"id": "CORE-002", "detail": party} if {
	some party in ["consumer", "provider"]
	not identity_live(party)
}

identity("consumer") := input.consumer.identity

identity("provider") := input.provider.identity

identity_live(party) if {
	identity(party).verified == true
	input.now < identity(party).expires_at
}

deny contains {"id": "CORE-003", "detail": lib.word("/contract/framework")} if not framework_in_force

framework_in_force if input.contract.framework == "none"

framework_in_force if agreements.in_force(input.contract.framework)

rests contains {"id": "CORE-003", "datum": concat("", ["agreements/", input.contract.framework])} if {
	framework_in_force
	agreements.unread(input.contract.framework)
}

deny contains {"id": "CORE-004", "detail": "not yet"} if input.now < input.contract.valid_from

deny contains {"id": "CORE-004", "detail": "over"} if input.now >= input.contract.valid_to

deny contains {"id": "CORE-005", "detail": lib.word("/contract/policy_revision")} if {
	not input.contract.policy_revision in data.pack.accepted_revisions
}

deny contains {"id": "CORE-006", "detail": reference(order)} if {
	some order in input.stop_orders
	not pending(order)
	not lifted(order)
	not elsewhere(order)
}

reference(order) := order.ref if is_string(order.ref)

reference(order) := "without reference" if not is_string(order.ref)

pending(order) if {
	is_number(order.from)
	input.now < order.from
}

lifted(order) if {
	is_number(order.until)
	input.now >= order.until
}

# An order names what it stops. One that names nothing, or nothing that can be read, stops everything.
elsewhere(order) if {
	lib.text(order.dataset)
	order.dataset != input.dataset.id
}

elsewhere(order) if {
	lib.text(order.consumer)
	order.consumer != input.consumer.id
}

elsewhere(order) if {
	lib.text(order.country)
	not order.country in places
}

places := lib.destinations | {country | country := input.provider.country}
