"""Every mutation that `make mutate` tries: guards of the service first, then one or more for each file of the proof."""

from __future__ import annotations

from tests.mutate.client import CLIENT
from tests.mutate.guards import GUARDS
from tests.mutate.proof import PROOF
from tests.mutate.symbolic import SYMBOLIC

MUTATIONS = (*GUARDS, *CLIENT, *PROOF, *SYMBOLIC)
