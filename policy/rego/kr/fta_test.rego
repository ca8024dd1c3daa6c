package naru.kr_fta_test

import data.naru.fixture
import data.naru.kr
import future.keywords.not
import rego.v1

listed := ["replace", "/dataset/technology/strategic/status", "listed"]

test_fta_001_neither_exempt_nor_licensed if {
	result := kr.result with input as fixture.exporter("negotiation", [listed])
	fixture.denies(result, "KR-FTA-001")
}

test_fta_001_exempt if {
	exempt := ["add", "/dataset/technology/strategic/exemption", "public_domain"]
	kr.result.allow == true with input as fixture.exporter("negotiation", [listed, exempt])
}

test_fta_001_licensed if {
	every type in ["strategic_export_licence", "nct_export_approval", "nast_export_approval"] {
		licence := ["replace", "/approvals", [fixture.approval(type)]]
		kr.result.allow == true with input as fixture.exporter("negotiation", [listed, licence])
	}
}

test_fta_001_a_licence_for_another_country if {
	licence := ["replace", "/approvals", [fixture.approval("strategic_export_licence")]]
	abroad := ["replace", "/destination/storage_countries", ["SG", "VN"]]
	result := kr.result with input as fixture.exporter("negotiation", [listed, licence, abroad])
	fixture.denies(result, "KR-FTA-001")
}
