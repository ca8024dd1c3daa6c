# DPA-FLOW-001: agreements in force between the two countries recognise that data cross the border. A ground, never a denial:
# an agreement whose dates nobody read is none.
package naru.dpa

import data.naru.agreements
import data.naru.lib

import future.keywords.not
import rego.v1

basis contains {"id": "DPA-FLOW-001", "framework": name, "article": flow.article, "strength": flow.strength} if {
	some name, agreement in data.agreements.list
	flow := agreement.flow
	agreements.in_force(name)
	trusted(name)
}

trusted(name) if not agreements.unread(name)

trusted(_) if lib.assumed
