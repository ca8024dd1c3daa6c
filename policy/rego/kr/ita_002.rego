# KR-ITA-002: Industrial Technology Act 11(4) and (5). Other national core technology needs an accepted report; an approval is
# more than a report.
package naru.kr

import data.naru.lib

import future.keywords.not
import rego.v1

deny contains {"id": "KR-ITA-002", "detail": "report"} if {
	input.dataset.technology.nct.status == "nct"
	input.dataset.technology.nct.state_funded == false
	technology_export
	not lib.approved({"nct_export_report", "nct_export_approval"})
}
