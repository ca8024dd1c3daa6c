# DPA-FIN-001: financial data may be kept abroad as long as the home regulator gets at them (KSDPA; EU-Korea carve-out).
package naru.dpa

import data.naru.lib

import future.keywords.not
import rego.v1

deny contains {"id": "DPA-FIN-001", "detail": "regulator_access"} if {
	input.dataset.sector == "financial"
	lib.abroad
	not input.contract.clauses.regulator_access == true
}
