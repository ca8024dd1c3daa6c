# POST-ONW-001: who passes data on reports it; what was passed on to a country that was not agreed, or without the same duties, is a
# breach. Silence about the duties counts as none.
package naru.post

import data.naru.lib

import future.keywords.not
import rego.v1

deny contains {"id": "POST-ONW-001", "detail": named(event.country)} if {
	some event in input.transfer.onward_events
	not permitted_event(event)
	is_string(event.country)
}

deny contains {"id": "POST-ONW-001", "detail": "unreadable"} if {
	some event in input.transfer.onward_events
	not is_string(event.country)
}

permitted_event(event) if {
	input.contract.onward_transfer.allowed == true
	event.country in array.concat(input.contract.onward_transfer.countries, input.contract.allowed_countries)
	event.flow_down == true
}

obligations contains {
	"id": "POST-ONW-001",
	"duty": "report_onward_transfer",
	"on": "consumer",
	"after": "onward_transfer",
	"within": null,
} if {
	lib.duties_told
	not input.contract.onward_transfer.allowed == false
}
