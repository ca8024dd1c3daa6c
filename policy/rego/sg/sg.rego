# Pack `sg`: the law of Singapore that a provider there meets. One file for each rule; this one only gathers.
package naru.sg

import data.naru.lib

import future.keywords.not
import rego.v1

result := lib.result({"deny": deny, "undetermined": set(), "obligations": set(), "basis": set()})
