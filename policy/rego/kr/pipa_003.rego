# KR-PIPA-003: 24-2. Only a statute that asks for resident registration numbers lets them be handled, and none does so for trade in
# data.
package naru.kr

import future.keywords.not
import rego.v1

deny contains {"id": "KR-PIPA-003", "detail": "rrn"} if "rrn" in input.dataset.personal.identifiers
