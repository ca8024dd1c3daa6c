# KR-GEO-001: Spatial Data Act 16 and 21, Decree 16. What a survey produced leaves Korea with a permit, or as one of the exempt maps:
# coarser than 1:50,000 and no digital topographic map, or 1:25,000 and 1:50,000 after a security review without restricted features.
package naru.kr

import data.naru.lib

import future.keywords.not
import rego.v1

deny contains {"id": "KR-GEO-001", "detail": "permit"} if {
	input.dataset.geo.survey_product == true
	lib.abroad
	not exempt_map
	not lib.approved({"map_export_permit"})
}

exempt_map if {
	lib.natural(input.dataset.geo.scale)
	input.dataset.geo.scale > 50000
	input.dataset.geo.digital_topographic == false
}

exempt_map if {
	input.dataset.geo.scale in data.reference.maps.reviewed_scales
	input.dataset.geo.security_reviewed == true
	input.dataset.geo.restricted_features == false
}
