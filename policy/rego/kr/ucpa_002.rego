# KR-UCPA-002: 2(3)(d) and 18(1). A trade secret is passed on only with its holder's consent. Not forbidden counts as allowed.
package naru.kr

import data.naru.lib

import future.keywords.not
import rego.v1

deny contains {"id": "KR-UCPA-002", "detail": "onward"} if {
	input.dataset.trade_secret == true
	not input.contract.onward_transfer.allowed == false
	not lib.text(input.contract.onward_transfer.holder_consent_ref)
}
