# POST-RET-001: the data are deleted when the time is over, and that is confirmed; until it is, nothing more is agreed.
package naru.post

import data.naru.lib

import future.keywords.not
import rego.v1

obligations contains {
	"id": "POST-RET-001",
	"duty": "delete",
	"on": "consumer",
	"after": "completion",
	"within": input.contract.retention_days * 86400,
} if {
	lib.duties_told
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
