# DPA-SBX-001: a deal that claims a regulatory sandbox (DEPA 9.4) belongs to a project that runs and that both parties take part in.
# No register of projects is known to this pack: a project without an end and participants counts as none.
package naru.dpa

import data.naru.lib

import future.keywords.not
import rego.v1

deny contains {"id": "DPA-SBX-001", "detail": lib.word("/contract/sandbox/project_id")} if {
	input.contract.sandbox.project_id != "none"
	not sandbox_live
}

sandbox_live if {
	sandbox := input.contract.sandbox
	lib.text(sandbox.project_id)
	lib.natural(sandbox.ends_at)
	input.now < sandbox.ends_at
	every party in ["consumer", "provider"] { lib.named(party) in sandbox.participants }
}
