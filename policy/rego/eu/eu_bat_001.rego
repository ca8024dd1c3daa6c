# EU-BAT-001: Regulation 2023/1542, 77 and Annex XIII. What a battery passport holds is open to all, to those with a legitimate interest,
# or to authorities, tier by tier.
package naru.eu

import data.naru.lib

import future.keywords.not
import rego.v1

deny contains {"id": "EU-BAT-001", "detail": lib.word("/dataset/battery_passport/tier")} if {
	not input.dataset.battery_passport.tier in {"none", "public"}
	not tier_open
}

tier_open if input.consumer.legitimate_interest in data.reference.battery_tiers.tiers[input.dataset.battery_passport.tier]
