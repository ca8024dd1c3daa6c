# POST-GEO-001: the data stay in the countries that were agreed.
package naru.post

import data.naru.lib

import future.keywords.not
import rego.v1

# One finding for each country, so that it is seen which of them nobody agreed on.
deny contains {"id": "POST-GEO-001", "detail": named(country)} if {
	some country in lib.destinations
	not agreed(country)
}
