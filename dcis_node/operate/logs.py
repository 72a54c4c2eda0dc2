"""How the node logs: one line an event, `time level process key=value ...`, on standard error."""

import logging
import warnings

import pydicom.config
import pynetdicom


def configure_logging(level: str, *, name: str = "dcis-node") -> None:
    """Set up logging of this process.

    The libraries' own messages are off or at warnings, and their DIMSE dumps off: those quote identifiers of patients.
    """
    logging.basicConfig(
        level=level, format=f"%(asctime)s %(levelname)s process={name} %(message)s", datefmt="%Y-%m-%dT%H:%M:%S%z"
    )
    for library in ("pydicom", "pynetdicom", "apscheduler", "alembic", "highdicom"):
        logging.getLogger(library).setLevel(
            logging.CRITICAL if library in ("pydicom", "pynetdicom") else logging.WARNING
        )
    # A warning of pydicom quotes the value it is about.
    warnings.filterwarnings("ignore", module="pydicom")
    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
    pynetdicom._config.LOG_HANDLER_LEVEL = "none"  # noqa: SLF001 -- the documented switch lives there
    pynetdicom._config.LOG_REQUEST_IDENTIFIERS = False  # noqa: SLF001
    pynetdicom._config.LOG_RESPONSE_IDENTIFIERS = False  # noqa: SLF001
