# Where a dataset would go, and whether an authority has approved that it goes there.
# Not here: which movements a law cares about; each law says that itself.
package naru.lib

import future.keywords.not
import rego.v1

# Every country that the dataset reaches: the consumer's, where it is stored or processed, and the subprocessors'.
destinations contains input.consumer.country

destinations contains country if some country in input.destination.storage_countries

destinations contains country if some country in input.destination.processing_countries

destinations contains item.country if some item in input.contract.subprocessors

# The parties by the words for them. Packs name members of the input by themselves and not by a variable, so that it is known which
# of them a pack reads.
named("consumer") := input.consumer.id

named("provider") := input.provider.id

abroad if {
	some country in destinations
	country != input.provider.country
}

# What is known to be no personal data, and what is known to be pseudonymised; everything else may be personal data.
personal_possible if not input.dataset.personal.kind in {"none", "anonymised"}

# An approval counts only while it is live and if it covers this dataset, this consumer and every destination.
approved(types) if {
	some approval in input.approvals
	approval.type in types
	is_number(approval.issued_at)
	is_number(approval.expires_at)
	approval.issued_at <= input.now
	input.now < approval.expires_at
	input.dataset.id in approval.scope.datasets
	input.consumer.id in approval.scope.consumers
	every country in destinations {
		country in array.concat(approval.scope.countries, [input.provider.country])
	}
}

pseudonymised if input.dataset.personal.kind == "pseudonymised"

# Duties are told while terms are made and when data move; what becomes of them afterwards is the monitor's.
duties_told if input.phase in {"negotiation", "transfer"}
