# Keeps every pair of a list: more memory than it may have.
package naru.broken

import future.keywords.not
import rego.v1

result := count([{"a": [a, a, a, a], "b": [b, b, b, b]} |
	some a in input.list
	some b in input.list
])
