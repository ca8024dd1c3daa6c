package naru.kr_ita_test

import data.naru.fixture
import data.naru.kr
import future.keywords.not
import rego.v1

core_technology(funded) := [
	["replace", "/dataset/technology/nct/status", "nct"],
	["add", "/dataset/technology/nct/state_funded", funded],
]

with_approval(funded, type) := array.concat(
	core_technology(funded),
	[["replace", "/approvals", [fixture.approval(type)]]],
)

test_ita_001_without_approval if {
	result := kr.result with input as fixture.exporter("negotiation", core_technology(true))
	fixture.denies(result, "KR-ITA-001")
}

test_ita_001_with_approval if {
	kr.result.allow == true with input as fixture.exporter("negotiation", with_approval(true, "nct_export_approval"))
}

test_ita_001_a_report_is_no_approval if {
	result := kr.result with input as fixture.exporter("negotiation", with_approval(true, "nct_export_report"))
	fixture.denies(result, "KR-ITA-001")
}

test_ita_001_and_002_are_delegated_by_the_importer if {
	result := kr.result with input as fixture.importer("negotiation", core_technology(true))
	{d.id | some d in result.delegated} == {
		"KR-DEF-001",
		"KR-FTA-001",
		"KR-FTA-004",
		"KR-FTA-005",
		"KR-GEO-001",
		"KR-ITA-001",
		"KR-ITA-002",
		"KR-ITA-004",
		"KR-NAST-001",
	}
	result.allow == true
}

test_ita_002_without_report if {
	result := kr.result with input as fixture.exporter("transfer", core_technology(false))
	fixture.denies(result, "KR-ITA-002")
}

test_ita_002_with_report_or_approval if {
	every type in ["nct_export_report", "nct_export_approval"] {
		kr.result.allow == true with input as fixture.exporter("transfer", with_approval(false, type))
	}
}

test_ita_001_or_002_when_funding_is_not_said if {
	result := kr.result with input as fixture.exporter("transfer", [["replace", "/dataset/technology/nct/status", "nct"]])
	fixture.denies(result, "KR-ITA-001")
	fixture.open(result, "CORE-001")
}

inverter := [["add", "/dataset/tech_families/-", "xev-inverter"]]

test_ita_003_own_judgement if {
	own := array.concat(inverter, [["replace", "/dataset/technology/nct/determination/by", "self"]])
	result := kr.result with input as fixture.exporter("negotiation", own)
	fixture.open(result, "KR-ITA-003")
}

test_ita_003_on_the_last_day if {
	last := 1780272000 + (365 * 86400)
	before := kr.result with input as fixture.exporter("negotiation", array.concat(inverter, [["replace", "/now", last - 1]]))
	after := kr.result with input as fixture.exporter("negotiation", array.concat(inverter, [["replace", "/now", last]]))
	before.allow == true
	fixture.open(after, "KR-ITA-003")
}

test_ita_003_shows_in_the_catalog_as_a_thing_to_do if {
	own := array.concat(inverter, [["remove", "/dataset/technology/nct/determination", null]])
	result := kr.result with input as fixture.exporter("catalog", own)
	result.visible == true
	some finding in result.undetermined
	finding.id == "KR-ITA-003"
}

test_a_provider_of_another_country_is_not_judged if {
	foreign := array.concat(core_technology(true), [["replace", "/provider/country", "SG"]])
	result := kr.result with input as fixture.exporter("transfer", foreign)
	result.allow == true
	result.delegated == set()
}

denied(result) := {finding.id | some finding in result.deny}

# Who paid decides which of the two rules asks: the state for an approval, anybody else for a report.
test_ita_001_or_002_by_who_paid if {
	funded := kr.result with input as fixture.exporter("negotiation", core_technology(true))
	denied(funded) == {"KR-ITA-001"}
	reported := kr.result with input as fixture.exporter("negotiation", with_approval(true, "nct_export_report"))
	denied(reported) == {"KR-ITA-001"}
	private := kr.result with input as fixture.exporter("negotiation", core_technology(false))
	denied(private) == {"KR-ITA-002"}
}

test_ita_001_and_002_are_about_core_technology if {
	every funded in [true, false] {
		other := [["add", "/dataset/technology/nct/state_funded", funded]]
		kr.result.allow == true with input as fixture.exporter("negotiation", other)
	}
}

# What is core technology anyway needs nobody to determine that it is none: an approval or a report is asked for instead.
test_ita_003_is_settled_by_the_worse_answer if {
	own := array.concat(inverter, [["replace", "/dataset/technology/nct/determination/by", "self"]])
	admitted := array.concat(own, with_approval(true, "nct_export_approval"))
	kr.result.allow == true with input as fixture.exporter("negotiation", admitted)
}

test_ita_003_in_the_first_second if {
	at := 1795424400
	determined := array.concat(inverter, [["replace", "/dataset/technology/nct/determination/at", at]])
	kr.result.allow == true with input as fixture.exporter("negotiation", determined)
	early := array.concat(determined, [["replace", "/now", at - 1]])
	result := kr.result with input as fixture.exporter("negotiation", early)
	fixture.open(result, "KR-ITA-003")
}

test_ita_003_a_determination_without_a_time if {
	every at in [null, "unknown", "1780272000", true, [], {}] {
		undated := array.concat(inverter, [["replace", "/dataset/technology/nct/determination/at", at]])
		result := kr.result with input as fixture.exporter("negotiation", undated)
		fixture.open(result, "KR-ITA-003")
	}
}
