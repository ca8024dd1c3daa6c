# KR-PIPA-004: 23. Sensitive information is handled only with a consent of its own, or where a statute says so.
package naru.kr

import data.naru.lib

import future.keywords.not
import rego.v1

deny contains {"id": "KR-PIPA-004", "detail": kind} if {
	lib.personal_possible
	some kind in input.dataset.personal.special
	lib.text(kind)
	not input.transfer.legal_basis.sensitive_consent == true
}
