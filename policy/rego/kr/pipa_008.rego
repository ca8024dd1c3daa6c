# KR-PIPA-008: 29 and Decree 30(1)4. Personal information travels encrypted.
package naru.kr

import data.naru.lib

import future.keywords.not
import rego.v1

deny contains {"id": "KR-PIPA-008", "detail": "not encrypted"} if {
	lib.personal_possible
	not input.transfer.encrypted == true
}
