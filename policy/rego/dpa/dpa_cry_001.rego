# DPA-CRY-001: nobody may be made to hand over private keys (DEPA 3.4, KSDPA), whatever was negotiated.
package naru.dpa

import future.keywords.not
import rego.v1

deny contains {"id": "DPA-CRY-001", "detail": "private_keys"} if input.contract.demands.private_keys == true
