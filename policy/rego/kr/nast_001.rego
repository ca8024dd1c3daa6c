# KR-NAST-001: Strategic Industries Act 12(1). Every export of a strategic technology needs an approval, and so does giving it to a
# foreign government, wherever that happens; there is no track by report.
package naru.kr

import data.naru.lib

import future.keywords.not
import rego.v1

deny contains {"id": "KR-NAST-001", "detail": "approval"} if {
	input.dataset.technology.nast == true
	strategic_export
	not lib.approved({"nast_export_approval"})
}

strategic_export if technology_export

strategic_export if not input.consumer.is_foreign_government == false
