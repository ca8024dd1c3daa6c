# Pack `post`: what the parties promised each other about use, and what remains to be done after the transfer.
package naru.post

import data.naru.lib

import future.keywords.not
import rego.v1

result := lib.result({"deny": deny, "undetermined": set(), "obligations": obligations, "basis": set()})

deny contains {"id": "POST-PUR-001", "detail": lib.word("/transfer/purpose")} if {
	not input.transfer.purpose in input.contract.purposes
}

# One finding for each country, so that it is seen which of them nobody agreed on.
deny contains {"id": "POST-GEO-001", "detail": named(country)} if {
	some country in lib.destinations
	not agreed(country)
}

agreed(country) if country in input.contract.allowed_countries

# Where the data came from, they may be.
agreed(country) if country == input.provider.country

named(country) := country if lib.text(country)

named(country) := "unreadable" if not lib.text(country)

# Which transfer under the agreement this is, the node counts; 1 is the first.
deny contains {"id": "POST-CNT-001", "detail": "over"} if not within_count

within_count if {
	lib.natural(input.transfer.occurrence)
	lib.natural(input.contract.max_transfers)
	input.transfer.occurrence <= input.contract.max_transfers
}

obligations contains {
	"id": "POST-RET-001",
	"duty": "delete",
	"on": "consumer",
	"after": "completion",
	"within": input.contract.retention_days * 86400,
} if {
	input.phase in {"negotiation", "transfer"}
}

deny contains {"id": "POST-RET-001", "detail": "overdue"} if {
	input.phase == "monitor"
	input.transfer.completed_at > 0
	input.now > input.transfer.completed_at + (input.contract.retention_days * 86400)
	not deletion_confirmed
}

deletion_confirmed if {
	input.transfer.deletion_confirmed_at >= input.transfer.completed_at
	input.transfer.deletion_confirmed_at <= input.now
}
