# KR-PIPA-002: 28-8(4) and Decree 29-10(2). Measures of safety, a way to complain and settle disputes, and the other measures of
# protection are agreed with the recipient beforehand and stand in the contract.
package naru.kr

import data.naru.lib

import future.keywords.not
import rego.v1

deny contains {"id": "KR-PIPA-002", "detail": clause} if {
	lib.personal_possible
	lib.abroad
	some clause in data.reference.transfer_clauses.list
	not input.contract.clauses[clause] == true
}
