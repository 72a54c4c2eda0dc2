"""How the node logs: one line an event, `time level process key=value ...`, on standard error, without patient data."""

import logging
import sys
import threading
import traceback
import warnings
from types import TracebackType

import pydicom.config
import pynetdicom

from dcis_node.errors import DcisNodeError

log = logging.getLogger(__name__)

MOST_FRAMES = 12
WEB = ("dicomweb_client", "urllib3", "retrying")  # write URLs with UIDs of studies
# APScheduler tells with its text which exception a job raised; `operate.clock` tells it without.
# The pool of connections tells of each one that a server has closed; whoever needed it gets an error, and tells it.
SILENT = ("pydicom", "pynetdicom", "apscheduler", "sqlalchemy.pool", *WEB)
TERSE = ("alembic", "highdicom", "PIL", "sqlalchemy")


class Reticent(logging.Formatter):
    """Writes of an exception where it came from and its kind; its text may quote a patient's data."""

    def formatException(self, ei: object) -> str:  # noqa: N802 -- logging's name
        """Write an exception in one line."""
        error = ei[1] if isinstance(ei, tuple) else None
        return "no exception" if error is None else told(error)


def configure_logging(level: str, *, name: str = "dcis-node") -> None:
    """Set up logging of this process, and what it says of warnings and of exceptions that nobody caught.

    The libraries' own messages are off or at warnings, and their DIMSE dumps off: those quote identifiers of patients.
    """
    handler = logging.StreamHandler()
    text = f"%(asctime)s %(levelname)s process={name} %(message)s"
    handler.setFormatter(Reticent(text, datefmt="%Y-%m-%dT%H:%M:%S%z"))
    logging.basicConfig(level=level, handlers=[handler])
    for library in SILENT:
        logging.getLogger(library).setLevel(logging.CRITICAL)
    for library in TERSE:
        logging.getLogger(library).setLevel(logging.WARNING)
    # A warning of pydicom quotes the value it is about, whichever module it is laid at.
    warnings.filterwarnings("ignore", module="pydicom")
    warnings.showwarning = _show_warning
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread
    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
    pynetdicom._config.LOG_HANDLER_LEVEL = "none"  # noqa: SLF001 -- the documented switch lives there
    pynetdicom._config.LOG_REQUEST_IDENTIFIERS = False  # noqa: SLF001
    pynetdicom._config.LOG_RESPONSE_IDENTIFIERS = False  # noqa: SLF001


def told(error: BaseException) -> str:
    """Say of an exception its kind and where it came from; of one of ours also its text, which names no patient."""
    frames = traceback.extract_tb(error.__traceback__)[-MOST_FRAMES:]
    at = " < ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno}:{frame.name}" for frame in reversed(frames))
    text = f" text={str(error)!r}" if isinstance(error, DcisNodeError) else ""
    return f"error={type(error).__name__} at={at or '?'}{text}"


def _show_warning(  # the arguments of warnings.showwarning
    message: Warning | str,  # noqa: ARG001
    category: type[Warning],
    filename: str,
    lineno: int,
    file: object = None,  # noqa: ARG001
    line: str | None = None,  # noqa: ARG001
) -> None:
    log.warning("event=warning category=%s at=%s:%d", category.__name__, filename.rpartition("/")[2], lineno)


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    log.critical("event=uncaught %s", told(error))


def _uncaught_in_thread(arguments: threading.ExceptHookArgs) -> None:
    if arguments.exc_value is not None:
        log.critical("event=uncaught_in_thread %s", told(arguments.exc_value))
