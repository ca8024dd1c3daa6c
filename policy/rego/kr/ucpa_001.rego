# KR-UCPA-001: Unfair Competition Prevention Act 2(2). What is not managed as a secret is none any more: a trade secret leaves only
# under a duty of secrecy, marked, with access controlled, and to come back or be deleted.
package naru.kr

import future.keywords.not
import rego.v1

deny contains {"id": "KR-UCPA-001", "detail": clause} if {
	input.dataset.trade_secret == true
	some clause in data.reference.secret_clauses.list
	not input.contract.clauses[clause] == true
}
