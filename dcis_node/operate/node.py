"""The whole node: what is checked before anything starts, and the supervisor over its processes."""

import logging
import subprocess
import sys
from pathlib import Path

from dcis_node.config import Configuration
from dcis_node.errors import BundleError
from dcis_node.operate.listener import address_of, bind_listener
from dcis_node.operate.process import running_process
from dcis_node.operate.supervisor import Supervisor, child_specs
from storage.database import check_location, upgrade

log = logging.getLogger(__name__)


def prepare(configuration: Configuration) -> None:
    """Make the data folder and bring the index to this program's schema.

    Raises
    ------
    StorageError
        The folder is on a network file system, or the index is of a newer schema.
    """
    configuration.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    check_location(configuration.folder)
    upgrade(configuration.index_url)


def run_node(configuration: Configuration, config: Path) -> None:
    """Be the supervisor of a whole node: check what can be checked, bind the port, start and keep the processes.

    Raises
    ------
    ConfigurationError, StorageError, BundleError
        Something cannot be used; no process was started.
    """
    bundle = verify_bundle(config)
    listener = bind_listener(configuration.receive)
    host, port = address_of(listener)
    prepare(configuration)
    specs = child_specs(config, receivers=configuration.receive.processes, listener=listener.fileno())
    with running_process(configuration, "supervisor") as process:
        log.info("event=listening host=%s port=%d aet=%s bundle=%s", host, port, configuration.node.aet, bundle)
        if not configuration.destinations:
            log.warning("event=no_destination text='results are kept and sent nowhere: name [[destinations]]'")

        def beat(restarts: dict[str, int]) -> None:
            process.beat({"listening": f"{host}:{port}", "restarts": restarts})

        Supervisor(specs).run(process.stop, beat)


def verify_bundle(config: Path) -> str:
    """Load the bundle once in a child, so that this process stays small (torch is 200 MB); give its name and hash.

    Raises
    ------
    BundleError
        It does not load; the text says why.
    """
    command = (sys.executable, "-m", "dcis_node", "verify-bundle", "--config", str(config))
    child = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if child.returncode:
        raise BundleError(child.stderr.strip() or f"the bundle check ended with code {child.returncode}")
    return child.stdout.strip()
