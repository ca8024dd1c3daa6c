# Pack `eu`: law of the European Union. It is asked about every deal: the Battery Regulation and the Data Act speak of data wherever
# their holder is; the General Data Protection Regulation of providers in the European Economic Area. One file for each rule.
package naru.eu

import data.naru.lib

import future.keywords.not
import rego.v1

result := lib.result({
	"deny": deny,
	"undetermined": undetermined,
	"obligations": obligations,
	"basis": set(),
	"rests": rests,
})

inside(country) if country in data.reference.eea.countries

# Countries outside the area that the data would reach.
third_countries contains country if {
	some country in lib.destinations
	not inside(country)
}
