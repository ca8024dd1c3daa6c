# POST-PUR-001: the purpose of a transfer is one that was agreed.
package naru.post

import data.naru.lib

import future.keywords.not
import rego.v1

deny contains {"id": "POST-PUR-001", "detail": lib.word("/transfer/purpose")} if {
	not input.transfer.purpose in input.contract.purposes
}
