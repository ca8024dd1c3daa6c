# Pack `dpa`: what digital trade agreements ask of a deal. They bind governments, not firms, so free flow is recorded as
# a ground and never denies; both signatures are what a court of either country may ask to see of a contract that claims one.
package naru.dpa

import data.naru.agreements
import data.naru.lib

import future.keywords.not
import rego.v1

result := lib.result({"deny": deny, "undetermined": set(), "obligations": set(), "basis": basis})

basis contains {"id": "DPA-FLOW-001", "framework": name, "article": flow.article, "strength": flow.strength} if {
	some name, agreement in data.agreements.list
	flow := agreement.flow
	agreements.in_force(name, input.provider.country, input.consumer.country)
}

# A contract that claims no framework rests on no agreement between governments: the partner may be one that signs nothing.
claims_none if input.contract.framework == "none"

deny contains {"id": "DPA-AUTH-001", "detail": party} if {
	not claims_none
	some party in ["consumer", "provider"]
	not input[party].id in input.contract.signed_by
}
