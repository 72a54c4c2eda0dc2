"""A test that calls a command leaves the process as it found it, for the tests behind it."""

import logging
import sys
import threading
import warnings

import pydicom.config
import pynetdicom

from dcis_node.operate.logs import configure_logging
from tests.process_settings import kept


def settings():
    return (
        sys.excepthook,
        threading.excepthook,
        warnings.showwarning,
        list(warnings.filters),
        pydicom.config.settings.reading_validation_mode,
        pynetdicom._config.LOG_HANDLER_LEVEL,
        pynetdicom._config.LOG_REQUEST_IDENTIFIERS,
        logging.getLogger("pydicom").level,
        logging.getLogger("PIL").level,
    )


def test_what_a_command_sets_up_for_its_process_ends_with_its_test():
    before, handlers = settings(), list(logging.root.handlers)
    with kept():
        logging.root.handlers = []  # as outside of a test: inside of one the root has handlers, and gets no other
        configure_logging("CRITICAL")
        during = settings()
        assert len(logging.root.handlers) == 1
        logging.root.handlers += handlers
    assert [one != other for one, other in zip(before, during, strict=True)] == [True] * len(before)
    assert settings() == before
    assert logging.root.handlers == handlers
