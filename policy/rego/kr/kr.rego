# Pack `kr`: Korean law that a Korean provider meets when a dataset leaves. One file for each rule; this one gathers.
package naru.kr

import data.naru.lib

import future.keywords.not
import rego.v1

result := lib.result({
	"deny": deny,
	"undetermined": undetermined,
	"obligations": obligations,
	"basis": set(),
	"rests": rests,
})

# Technology is exported when it leaves Korea, and also when a foreigner gets it inside Korea. What is not known to be
# domestic is an export.
technology_export if not domestic

domestic if {
	input.consumer.country == "KR"
	input.consumer.foreign_person == false
	every country in lib.destinations { country == "KR" }
	count(input.destination.storage_countries) > 0
	count(input.destination.processing_countries) > 0
}

# Everything is industrial data that was not declared to be other data.
industrial if not other_data

other_data if {
	count(input.dataset.categories) > 0
	not "industrial" in input.dataset.categories
}
