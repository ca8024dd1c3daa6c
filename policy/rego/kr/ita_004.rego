# KR-ITA-004: Decree 15(4). An approval may be given on condition that its use is reported; the exporter then owes the report.
package naru.kr

import data.naru.lib

import future.keywords.not
import rego.v1

obligations contains {
	"id": "KR-ITA-004",
	"duty": "report_export_result",
	"on": "provider",
	"after": "completion",
	"within": null,
} if {
	lib.duties_told
	some approval in input.approvals
	"report_result" in approval.conditions
	input.dataset.id in approval.scope.datasets
	input.consumer.id in approval.scope.consumers
}
