# Which duties a deal brings, and which it does not.
package naru.kr_duties_test

import data.naru.fixture
import data.naru.kr
import future.keywords.not
import rego.v1

duties(changes) := {duty.id | some duty in result.obligations} if {
	result := kr.result with input as fixture.exporter("transfer", changes)
}

kind(word) := ["replace", "/dataset/personal/kind", word]

test_machine_data if duties([]) == {"KR-FTA-005", "KR-IDX-003"}

test_no_technology_and_no_licence_leave_no_record_to_keep if {
	plain := ["replace", "/dataset/technology/strategic/determination", {"kind": "not_technology"}]
	duties([plain]) == {"KR-IDX-003"}
	licence := ["replace", "/approvals", [fixture.approval("map_export_permit")]]
	duties([plain, licence]) == {"KR-FTA-005", "KR-IDX-003"}
}

test_other_than_industrial_data if duties([["replace", "/dataset/categories", ["research"]]]) == {"KR-FTA-005"}

test_personal_data if duties([kind("personal")]) == {"KR-FTA-005", "KR-IDX-003", "KR-PIPA-009"}

test_pseudonymised_data if {
	duties([kind("pseudonymised")]) == {"KR-FTA-005", "KR-IDX-003", "KR-PIPA-009", "KR-PIPA-010", "KR-PIPA-011"}
}

test_anonymised_data if duties([kind("anonymised")]) == {"KR-FTA-005", "KR-IDX-003"}

test_a_report_is_owed_for_an_approval_of_this_dataset_and_consumer_only if {
	conditional := object.union(fixture.approval("nct_export_approval"), {"conditions": ["report_result"]})
	"KR-ITA-004" in duties([["replace", "/approvals", [conditional]]])
	every scope in [{"datasets": ["another"]}, {"consumers": ["another"]}] {
		other := object.union(conditional, {"scope": object.union(conditional.scope, scope)})
		not "KR-ITA-004" in duties([["replace", "/approvals", [other]]])
	}
	without := object.union(conditional, {"conditions": ["another"]})
	not "KR-ITA-004" in duties([["replace", "/approvals", [without]]])
}

test_nothing_is_told_at_catalog_and_monitor if {
	every phase in ["catalog", "monitor"] {
		result := kr.result with input as fixture.exporter(phase, [])
		result.obligations == set()
	}
}

# Five years and three, counted with every leap day that can fall in them, so that no calendar makes them longer than what is kept.
test_records_are_kept_for_five_years_and_for_three if {
	result := kr.result with input as fixture.exporter("transfer", [kind("pseudonymised")])
	[1827 * 86400] == [duty.within | some duty in result.obligations; duty.id == "KR-FTA-005"]
	kept := {duty.on: duty.within | some duty in result.obligations; duty.id == "KR-PIPA-011"}
	kept == {"consumer": 1096 * 86400, "provider": 1096 * 86400}
}
