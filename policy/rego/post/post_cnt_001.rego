# POST-CNT-001: as many transfers as were agreed.
package naru.post

import data.naru.lib

import future.keywords.not
import rego.v1

# Which transfer under the agreement this is, the node counts; 1 is the first.
deny contains {"id": "POST-CNT-001", "detail": "over"} if not within_count

within_count if {
	lib.natural(input.transfer.occurrence)
	lib.natural(input.contract.max_transfers)
	input.transfer.occurrence <= input.contract.max_transfers
}
