# KR-IDX-002: 9(5), and Data Industry Act 17(2). Terms on a list of unfair ones bind no small firm, unless a person took them on with
# a reason that is written down: what is fair, no rule weighs. A party of unknown size counts as small.
package naru.kr

import data.naru.lib

import future.keywords.not
import rego.v1

deny contains {"id": "KR-IDX-002", "detail": term} if {
	some term in input.contract.terms
	term in data.reference.unfair_terms.list
	small_party
	not attested
}

size("consumer") := input.consumer.size

size("provider") := input.provider.size

small_party if {
	some party in ["consumer", "provider"]
	not size(party) in {"large", "mid"}
}

attested if {
	lib.text(input.contract.fairness_attestation.by)
	lib.text(input.contract.fairness_attestation.reason)
}
