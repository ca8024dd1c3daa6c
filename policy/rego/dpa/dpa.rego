# Pack `dpa`: what digital trade agreements ask of a deal. They bind governments, not firms: free flow is recorded as a
# ground and never denies, and what an agreement forbids governments to demand is refused here as a term of a contract that
# passes such a demand on. One file for each rule; this one only gathers.
package naru.dpa

import data.naru.lib

import future.keywords.not
import rego.v1

result := lib.result({"deny": deny, "undetermined": set(), "obligations": obligations, "basis": basis})
