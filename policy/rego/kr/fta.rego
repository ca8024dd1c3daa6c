# Foreign Trade Act: strategic technology needs a licence, unless the decree exempts it.
package naru.kr

import data.naru.lib

import future.keywords.not
import rego.v1

deny contains {"id": "KR-FTA-001", "detail": "licence"} if {
	input.dataset.technology.strategic.status == "listed"
	technology_export
	not input.dataset.technology.strategic.exemption in data.pack.strategic_exemptions
	not lib.approved({"strategic_export_licence", "nct_export_approval", "nast_export_approval"})
}
