# POST-BRE-001: a leak of personal data is told within 72 hours (Personal Information Protection Act 34 and Decree 39; GDPR 33).
package naru.post

import data.naru.lib

import future.keywords.not
import rego.v1

obligations contains {
	"id": "POST-BRE-001",
	"duty": "notify_breach",
	"on": "consumer",
	"after": "breach",
	"within": data.reference.breach.seconds,
} if {
	lib.duties_told
	lib.personal_possible
}
