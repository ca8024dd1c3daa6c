# Pack `kr`: Korean law that a Korean provider meets when a dataset leaves. One file for each law; this one only gathers.
package naru.kr

import data.naru.lib

import future.keywords.not
import rego.v1

result := lib.result({"deny": deny, "undetermined": undetermined, "obligations": set(), "basis": set()})

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
