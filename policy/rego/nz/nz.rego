# Pack `nz`: the law of New Zealand that a provider there meets.
package naru.nz

import data.naru.lib

import future.keywords.not
import rego.v1

result := lib.result({"deny": deny, "undetermined": set(), "obligations": set(), "basis": set()})
