# SANC-001: a party that a sanctions list names gets nothing. The exporter's node screens its partner against the lists that
# it has; Foreign Trade Act 5(4) and 30(3), resolutions of the Security Council.
package naru.core

import future.keywords.not
import rego.v1

deny contains {"id": "SANC-001", "detail": "listed"} if input.consumer.sanctions.hit == true
