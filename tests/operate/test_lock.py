"""A process's name is held once, and is free when its holder is dead."""

import subprocess
import sys

import pytest

from dcis_node.errors import StorageError
from dcis_node.operate.lock import NameLock

HOLD = "import sys, pathlib, signal; from dcis_node.operate.lock import NameLock\n"
HOLD += "with NameLock(pathlib.Path(sys.argv[1]), 'clock-0'): print('held', flush=True); signal.pause()"


def test_a_second_process_of_the_same_name_is_refused(tmp_path):
    with (
        NameLock(tmp_path, "clock-0"),
        pytest.raises(StorageError, match="clock-0"),
        NameLock(tmp_path, "clock-0", patience_seconds=0),
    ):
        pass


def test_another_name_is_free(tmp_path):
    with NameLock(tmp_path, "clock-0"), NameLock(tmp_path, "clock-1", patience_seconds=0):
        pass


def test_the_name_is_free_once_its_holder_was_killed(tmp_path):
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(StorageError), NameLock(tmp_path, "clock-0", patience_seconds=0):
            pass
        holder.kill()
        holder.wait()
        with NameLock(tmp_path, "clock-0", patience_seconds=5):
            pass
