"""What each process of the node does, put together from the rooms it works in."""

import logging
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

from dcis_node import __version__
from dcis_node.analyse.completeness import sweep_open_exams
from dcis_node.analyse.worker import run_worker
from dcis_node.config import Configuration
from dcis_node.deliver.courier import run_courier
from dcis_node.model.bundle import Bundle, demo_bundle_folder, load_bundle
from dcis_node.operate.clock import Job, run_clock
from dcis_node.operate.listener import address_of, bind_listener
from dcis_node.operate.process import Process, running_process
from dcis_node.operate.supervisor import Supervisor, child_specs
from dcis_node.receive.server import serve
from dcis_node.results.answer import Equipment
from storage.database import check_location, upgrade

log = logging.getLogger(__name__)

SWEEP_SECONDS = 1.0
MANUFACTURER = "dcis-node project (research use only)"


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


def bundle_of(configuration: Configuration) -> Bundle:
    """Load the bundle that the configuration names.

    Raises
    ------
    BundleError
        It is not there, altered, of another hash than demanded, or needs settings unknown here.
    """
    name = configuration.analyse.bundle
    folder = demo_bundle_folder() if name == "demo" else configuration.base / name
    return load_bundle(folder, expected_sha256=configuration.analyse.bundle_sha256 or None)


def equipment_of(configuration: Configuration) -> Equipment:
    """Say who made the results."""
    return Equipment(
        manufacturer=MANUFACTURER,
        model_name="dcis-node",
        software_version=__version__,
        device_serial_number=configuration.node.aet,
        station_name=configuration.node.aet,
        institution=configuration.node.institution,
        aet=configuration.node.aet,
    )


def run_receive(configuration: Configuration, name: str, *, listen_fd: int | None, lifeline: int | None) -> None:
    """Be one receiver, on the inherited socket or, alone, on one of its own."""
    listener = bind_listener(configuration.receive) if listen_fd is None else socket.socket(fileno=listen_fd)
    with running_process(configuration, name, lifeline=lifeline) as process:
        _beating(process)
        serve(
            listener,
            settings=configuration.receive,
            aet=configuration.node.aet,
            db=process.db,
            files=process.files,
            owner=process.owner,
            merge_same_day=configuration.exam.merge_same_day,
            stop=process.stop,
        )


def run_analyse(configuration: Configuration, name: str, *, lifeline: int | None) -> None:
    """Be the analysis worker."""
    with running_process(configuration, name, lifeline=lifeline) as process:
        run_worker(
            db=process.db,
            files=process.files,
            bundle=bundle_of(configuration),
            settings=configuration.analyse,
            equipment=equipment_of(configuration),
            destinations=tuple(destination.name for destination in configuration.destinations),
            owner=process.owner,
            stop=process.stop,
            beat=process.beat,
        )


def run_deliver(configuration: Configuration, name: str, *, lifeline: int | None) -> None:
    """Be the courier."""
    with running_process(configuration, name, lifeline=lifeline) as process:
        run_courier(
            db=process.db,
            files=process.files,
            destinations=configuration.destinations,
            settings=configuration.deliver,
            aet=configuration.node.aet,
            owner=process.owner,
            stop=process.stop,
            beat=process.beat,
        )


def run_clock_role(configuration: Configuration, name: str, *, lifeline: int | None) -> None:
    """Be the clock: look every second which exams are complete or out of time."""
    with running_process(configuration, name, lifeline=lifeline) as process:

        def sweep() -> None:
            sweep_open_exams(process.db, configuration.exam, now=time.time())

        run_clock((Job("completeness", SWEEP_SECONDS, sweep),), stop=process.stop, beat=process.beat)


def _beating(process: Process) -> None:
    """Show the sign of life of a receiver: its main thread is inside the accept loop."""

    def beats() -> None:
        while not process.stop.wait(1.0):
            process.beat()

    threading.Thread(target=beats, name="beat", daemon=True).start()


ROLES: dict[str, Callable[..., None]] = {
    "analyse": run_analyse,
    "deliver": run_deliver,
    "clock": run_clock_role,
}


def run_node(configuration: Configuration, config: Path) -> None:
    """Be the supervisor of a whole node: check what can be checked, bind the port, start and keep the processes.

    Raises
    ------
    ConfigurationError, StorageError, BundleError
        Something cannot be used; no process was started.
    """
    prepare(configuration)
    bundle = bundle_of(configuration)
    listener = bind_listener(configuration.receive)
    host, port = address_of(listener)
    specs = child_specs(config, receivers=configuration.receive.processes, listener=listener.fileno())
    with running_process(configuration, "supervisor") as process:
        log.info(
            "event=listening host=%s port=%d aet=%s bundle=%s bundle_sha256=%s",
            host,
            port,
            configuration.node.aet,
            bundle.name,
            bundle.sha256,
        )
        if not configuration.destinations:
            log.warning(
                "event=no_destination text='results are kept and sent nowhere: config.toml has no [[destinations]]'"
            )

        def beat(restarts: dict[str, int]) -> None:
            process.beat({"listening": f"{host}:{port}", "restarts": restarts})

        Supervisor(specs).run(process.stop, beat)
