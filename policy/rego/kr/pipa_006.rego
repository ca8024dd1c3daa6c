# KR-PIPA-006: 28-2(2) and 28-4. What would undo the pseudonyms stays behind.
package naru.kr

import data.naru.lib

import future.keywords.not
import rego.v1

deny contains {"id": "KR-PIPA-006", "detail": "additional_info_included"} if {
	lib.pseudonymised
	not input.dataset.personal.additional_info_included == false
}
