# Pack `post`: what the parties promised each other about use, and what remains to be done after the transfer. One file for each
# rule; this one gathers.
package naru.post

import data.naru.lib

import future.keywords.not
import rego.v1

result := lib.result({"deny": deny, "undetermined": set(), "obligations": obligations, "basis": set()})

named(country) := country if lib.text(country)

named(country) := "unreadable" if not lib.text(country)

agreed(country) if country in input.contract.allowed_countries

# Where the data came from, they may be.
agreed(country) if country == input.provider.country
