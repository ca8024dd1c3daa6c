# KR-MED-001: Medical Service Act 21(2). Patient records are shown to nobody else, except where a statute says so.
package naru.kr

import data.naru.lib

import future.keywords.not
import rego.v1

deny contains {"id": "KR-MED-001", "detail": "patient_records"} if {
	input.dataset.patient_records == true
	not lib.text(input.transfer.legal_basis.medical_statute_ref)
}
