"""A log tells what happened where, and never quotes the text of an exception or a warning that is not ours."""

import subprocess
import sys

import pytest

IMPORTS = "import logging, threading, warnings\n"
BEGIN = IMPORTS + "from dcis_node.operate.logs import configure_logging; configure_logging('DEBUG')\n"
ENDS = {
    "an exception that nobody caught": "raise ValueError('SECRET')",
    "an exception in a thread": "t = threading.Thread(target=lambda: int('SECRET')); t.start(); t.join()",
    "an exception that a library logs": "try:\n int('SECRET')\nexcept ValueError: logging.exception('failed')",
    "an exception that another caused": "try:\n int('SECRET')\nexcept ValueError as e: raise OSError('SECRET') from e",
    "a warning": "warnings.warn('SECRET')",
    "a job of APScheduler": (
        "from apscheduler.schedulers.background import BackgroundScheduler as S\n"
        "def work():\n done.set(); raise ValueError('SECRET')\n"
        "done = threading.Event(); s = S(timezone='UTC'); s.add_job(work); s.start(); done.wait(20); s.shutdown()"
    ),
    "a value of pydicom": (
        "from pydicom import Dataset, config\nd = Dataset(); d.PatientBirthDate = 'SECRET'\n"
        "config.logger.warning('SECRET'); d.add_new(0x00100010, 'DA', 'SECRET'); d.to_json()"
    ),
}


@pytest.mark.parametrize("name", ENDS)
def test_no_text_of_others_reaches_the_log(name):
    ended = subprocess.run([sys.executable, "-c", BEGIN + ENDS[name]], capture_output=True, text=True, check=False)
    assert "SECRET" not in ended.stderr + ended.stdout


def test_without_this_logging_they_do():
    code = IMPORTS + ENDS["an exception that nobody caught"]
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "SECRET" in ended.stderr


@pytest.mark.parametrize("name", list(ENDS)[:5])
def test_but_its_kind_and_its_place_do(name):
    ended = subprocess.run([sys.executable, "-c", BEGIN + ENDS[name]], capture_output=True, text=True, check=False)
    assert "Error" in ended.stderr or "UserWarning" in ended.stderr
    assert "<string>:" in ended.stderr


def test_the_text_of_our_own_errors_is_kept():
    code = "from dcis_node.errors import StorageError; raise StorageError('the disk is full')"
    ended = subprocess.run([sys.executable, "-c", BEGIN + code], capture_output=True, text=True, check=False)
    assert "event=uncaught error=StorageError" in ended.stderr
    assert "text='the disk is full'" in ended.stderr
    assert ended.returncode == 1
