# DPA-LOC-001: a term about where data are kept is a private choice, or it passes on a public measure, which agreements allow
# only with a justification (KSDPA 14.15, DEPA 4.4, RCEP 12.14, CPTPP 14.13). Whether the justification holds, no rule weighs.
package naru.dpa

import data.naru.lib

import future.keywords.not
import rego.v1

deny contains {"id": "DPA-LOC-001", "detail": "public_measure"} if {
	input.contract.localisation.basis == "public_measure"
	not lib.text(input.contract.localisation.justification_ref)
}
