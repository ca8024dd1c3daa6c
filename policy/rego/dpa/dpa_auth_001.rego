# DPA-AUTH-001: both signatures are what a court of either country may ask to see of a contract that claims an agreement
# (CPTPP 14.6, KORUS 15.4).
package naru.dpa

import data.naru.lib

import future.keywords.not
import rego.v1

# A contract that claims no framework rests on no agreement between governments: the partner may be one that signs nothing.
claims_none if input.contract.framework == "none"

deny contains {"id": "DPA-AUTH-001", "detail": party} if {
	not claims_none
	some party in ["consumer", "provider"]
	not lib.named(party) in input.contract.signed_by
}
