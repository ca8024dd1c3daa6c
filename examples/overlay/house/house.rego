# Pack `house`: an example of rules of one's own beside the law's. One rule: nothing for marketing.
package naru.house

import data.naru.lib

import future.keywords.not
import rego.v1

result := lib.result({"deny": deny, "undetermined": set(), "obligations": set(), "basis": set()})

deny contains {"id": "HOUSE-001", "detail": "marketing"} if input.transfer.purpose == "marketing"
