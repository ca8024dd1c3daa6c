# POST-LOG-001: both sides keep a signed log for at least five years (Foreign Trade Act 28, acts on electronic documents and
# signatures, Decree 30(1)5 of the Personal Information Protection Act).
package naru.post

import data.naru.lib

import future.keywords.not
import rego.v1

obligations contains {
	"id": "POST-LOG-001",
	"duty": "keep_log",
	"on": party,
	"after": "completion",
	"within": data.reference.log.seconds,
} if {
	lib.duties_told
	some party in ["consumer", "provider"]
}
