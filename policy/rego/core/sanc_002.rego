# SANC-002: a screening counts for a day, since lists change. One from the future was never made.
package naru.core

import data.naru.lib

import future.keywords.not
import rego.v1

undetermined contains {"id": "SANC-002", "detail": "stale"} if not screened_lately

screened_lately if {
	screening := input.consumer.sanctions
	lib.natural(screening.screened_at)
	screening.screened_at <= input.now
	input.now < screening.screened_at + (data.reference.screening.max_age_days * 86400)
}
