# Trade agreements: between whom and since when each is in force.
# Not here: what an agreement's article means for a deal; the packs that use this say that.
package naru.agreements

import data.naru.lib

import future.keywords.not
import rego.v1

# The European Union is one party: its members share its date.
party(country) := "EU" if country in data.agreements.eu

party(country) := country if not country in data.agreements.eu

exporter := party(input.provider.country)

importer := party(input.consumer.country)

in_force(name) if {
	exporter != importer
	since(name, exporter) <= input.now
	since(name, importer) <= input.now
}

since(name, one) := seconds if {
	seconds := data.agreements.list[name].parties[one]
	is_number(seconds)
}

# Dates that nobody read in a source: what rests on them says so.
unread(name) if lib.unverified(data.agreements.list[name])
