# Pack `post`: what the parties promised each other about use, and what remains to be done after the transfer.
package naru.post

import data.naru.lib

import future.keywords.not
import rego.v1

result := lib.result({"deny": deny, "undetermined": set(), "obligations": obligations, "basis": set()})

deny contains {"id": "POST-PUR-001", "detail": lib.word("/transfer/purpose")} if {
	not input.transfer.purpose in input.contract.purposes
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
