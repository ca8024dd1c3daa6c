# KR-DEF-001: Defence Technology Security Act 9, Defence Acquisition Act 57. Defence technology is exported under a licence of the
# Defence Acquisition Program Administration.
package naru.kr

import data.naru.lib

import future.keywords.not
import rego.v1

deny contains {"id": "KR-DEF-001", "detail": "licence"} if {
	input.dataset.technology.defence == true
	technology_export
	not lib.approved({"defence_export_licence"})
}
