# EU-BAT-001: Regulation 2023/1542, 77 and Annex XIII. What a battery passport holds is open to all, to those with a legitimate interest,
# or to authorities, tier by tier. A tier that nobody knows
# hides nothing; it is a missing fact.
package naru.eu

import data.naru.lib

import future.keywords.not
import rego.v1

deny contains {"id": "EU-BAT-001", "detail": lib.word("/dataset/battery_passport/tier")} if {
	input.dataset.battery_passport.tier in object.keys(data.reference.battery_tiers.tiers)
	not tier_open
}

tier_open if input.consumer.legitimate_interest in data.reference.battery_tiers.tiers[input.dataset.battery_passport.tier]
