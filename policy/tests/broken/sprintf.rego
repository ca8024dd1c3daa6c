# Asks its host to format a text.
package naru.broken

import future.keywords.not
import rego.v1

result := {"allow": true, "detail": sprintf("%v", [input.phase])}
