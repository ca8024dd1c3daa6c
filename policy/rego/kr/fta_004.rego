# KR-FTA-004: Foreign Trade Act 19-3, the catch-all. Any warning sign about the consumer asks for a situational licence, a sign that
# the list does not name as well as one that it names.
package naru.kr

import data.naru.lib

import future.keywords.not
import rego.v1

deny contains {"id": "KR-FTA-004", "detail": flag} if {
	some flag in input.consumer.red_flags
	lib.text(flag)
	not lib.approved({"situational_export_licence"})
}
