"""What `operate.logs.configure_logging` sets for a whole process, given back.

A test calls commands within its own process; without this, each test behind it would see the logs, the warnings and
the excepthooks of a node, and which test runs behind which is another one with each test that is added.
"""

import logging
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import pydicom.config
import pynetdicom
import pytest

from dcis_node.operate.logs import SILENT, TERSE

SWITCHES = (
    (sys, "excepthook"),
    (threading, "excepthook"),
    (pydicom.config.settings, "reading_validation_mode"),
    (pynetdicom._config, "LOG_HANDLER_LEVEL"),
    (pynetdicom._config, "LOG_REQUEST_IDENTIFIERS"),
    (pynetdicom._config, "LOG_RESPONSE_IDENTIFIERS"),
)


@contextmanager
def kept() -> Iterator[None]:
    """Give all of it back at the end as it was at the beginning."""
    loggers = [logging.getLogger(name) for name in ("root", *SILENT, *TERSE)]
    levels = [logger.level for logger in loggers]
    handlers = list(logging.root.handlers)
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        for holder, name in SWITCHES:
            patch.setattr(holder, name, getattr(holder, name))
        yield
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)
    for handler in [one for one in logging.root.handlers if one not in handlers]:
        logging.root.removeHandler(handler)
