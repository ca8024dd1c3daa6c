# EU-DA-001: Regulation 2023/2854, 5(3). Who was designated a gatekeeper may not be the third party to whom a user has data of a
# connected product given. Of a connected product it has to be said who asked.
package naru.eu

import future.keywords.not
import rego.v1

deny contains {"id": "EU-DA-001", "detail": "gatekeeper"} if {
	input.dataset.data_act.request == "user_third_party"
	not input.consumer.dma_gatekeeper == false
}

undetermined contains {"id": "EU-DA-001", "detail": "/dataset/data_act/request"} if {
	input.dataset.data_act.connected_product == true
	not input.dataset.data_act.request in {"none", "user", "user_third_party"}
}
