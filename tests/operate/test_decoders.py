"""In processes of their own: what was imported once stays."""

import json
import subprocess
import sys

from dcis_node.operate.decoders import DECODERS

PROGRAM = """
import json, sys
from dcis_node.operate.decoders import shut_out_decoders
if {shut}:
    shut_out_decoders()
import dcis_node.operate.role_receive
print(json.dumps([name for name, module in sys.modules.items() if module is not None]))
"""


def modules(*, shut: bool) -> set[str]:
    command = [sys.executable, "-c", PROGRAM.format(shut=shut)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return set(json.loads(done.stdout))


def test_a_receiver_can_do_without_what_it_does_not_need() -> None:
    loaded = modules(shut=True)
    assert not loaded & set(DECODERS)
    # These alone would be 16 and 11 MB.
    assert not loaded & {"pydicom.sr", "alembic", "highdicom", "scipy", "torch"}


def test_pydicom_would_load_decoders_by_itself() -> None:
    assert modules(shut=False) & set(DECODERS)
