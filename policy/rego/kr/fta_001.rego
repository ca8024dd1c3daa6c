# KR-FTA-001: Foreign Trade Act 19-2. Strategic technology needs a licence, unless Decree 32-2 exempts it; an approval under the
# Industrial Technology Act 11(3) or the Strategic Industries Act 12(3) serves as one.
package naru.kr

import data.naru.lib

import future.keywords.not
import rego.v1

deny contains {"id": "KR-FTA-001", "detail": "licence"} if {
	input.dataset.technology.strategic.status == "listed"
	technology_export
	not input.dataset.technology.strategic.exemption in data.reference.strategic_exemptions.list
	not lib.approved({"strategic_export_licence", "nct_export_approval", "nast_export_approval"})
}
