# What a pack's bundle holds beside its sources: the plan that the frame draws up of its descriptions (lib/gate.rego), and which
# members of an input the pack reads, so that a node need not hand it the others.
# The input: `deps`, what `opa deps` finds, and `words`, the JSON pointers that stand in the sources as texts.
# Not here: any rule; this runs when a pack is built.
package naru.draw

import data.naru.lib

import future.keywords.not
import rego.v1

pack := {"plan": object.union(lib.drawn, {"reads": reads})}

reads := [path | some path in found; not covered(path)]

# What the rules name, what they need, what decides whether they need it, and what details of findings quote.
found contains path if {
	some reference in input.deps.base
	reference[0].value == "input"
	count(reference) > 1
	known := [index | some index, term in reference; index > 0; term.type != "string"]
	path := [term.value | some index, term in reference; index > 0; every stop in known { index < stop }]
	count(path) > 0
}

found contains lib.path(pointer) if some pointer, _ in data.pack.facts

found contains lib.path(pointer) if some pointer, _ in data.pack.applies

found contains lib.path(condition.when) if {
	some rule in data.pack.rules
	some condition in rule.needs_if
}

found contains lib.path(pointer) if some pointer in input.words

covered(path) if {
	some other in found
	count(other) < count(path)
	array.slice(path, 0, count(other)) == other
}
