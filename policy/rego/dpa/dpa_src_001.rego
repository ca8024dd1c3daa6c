# DPA-SRC-001: source code is not a condition of trade, unless the parties negotiated it between themselves (CPTPP 14.17).
package naru.dpa

import future.keywords.not
import rego.v1

deny contains {"id": "DPA-SRC-001", "detail": "source_code"} if {
	input.contract.demands.source_code == true
	not input.contract.demands.commercially_negotiated == true
}
