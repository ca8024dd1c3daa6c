# Pack `cl`: the law of Chile that a provider there meets.
package naru.cl

import data.naru.lib

import future.keywords.not
import rego.v1

result := lib.result({"deny": deny, "undetermined": set(), "obligations": set(), "basis": set()})
