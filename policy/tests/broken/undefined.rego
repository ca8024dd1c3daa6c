# Has no result for any input.
package naru.broken

import future.keywords.not
import rego.v1

result if input.nothing == "such"
