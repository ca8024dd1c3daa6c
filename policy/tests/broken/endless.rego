# Counts pairs of pairs of a list: more steps than any fuel.
package naru.broken

import future.keywords.not
import rego.v1

result := count([1 |
	some a in input.list
	some b in input.list
	some c in input.list
	some d in input.list
	((a + b) + c) + d < 0
])
