# POST-SUB-001: a subprocessor works in an agreed country (Personal Information Protection Act 26(6); the parties' agreement).
package naru.post

import future.keywords.not
import rego.v1

deny contains {"id": "POST-SUB-001", "detail": named(subprocessor.country)} if {
	some subprocessor in input.contract.subprocessors
	not agreed(subprocessor.country)
}
