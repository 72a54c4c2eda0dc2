"""The whole node: what is checked before anything starts, and the supervisor over its processes."""

import logging
from pathlib import Path

from dcis_node.analyse.device_record import forgive_all
from dcis_node.config import Configuration, read_settings
from dcis_node.operate.audit.trail import audit_trail
from dcis_node.operate.certificate import keeper_of
from dcis_node.operate.left_over import left_over
from dcis_node.operate.listener import bind_listeners, place_of
from dcis_node.operate.process import running_process
from dcis_node.operate.reloading import BundleCheck, Reloader, Taken, take
from dcis_node.operate.supervisor import ChildSpec, Supervisor, child_specs
from dcis_node.operate.upkeep import refuse_lost_index
from dcis_node.operate.watch import Watch
from dcis_node.receive.certificates import is_key_exposed
from storage.database import check_location, upgrade

log = logging.getLogger(__name__)


def prepare(configuration: Configuration) -> None:
    """Make the data folder and bring the index to this program's schema.

    Raises
    ------
    StorageError
        The folder is on a network file system, the index is of a newer schema, or it was lost.
    """
    configuration.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    check_location(configuration.folder)
    upgrade(configuration.index_url)
    refuse_lost_index(configuration)


def run_node(configuration: Configuration, config: Path) -> None:
    """Be the supervisor of a whole node: check what can be checked, bind the ports, start and keep the processes.

    Raises
    ------
    ConfigurationError, StorageError, BundleError
        Something cannot be used; no process was started.
    """
    taken = take(read_settings(config), config)
    configuration = taken.configuration
    bundle = verify_bundle(config, taken)
    _check_certificate(configuration)
    listeners = bind_listeners(configuration.receive)
    prepare(configuration)

    def forgive() -> None:
        forgive_all(configuration.folder / "locks")

    forgive()

    def specs(settings: Taken) -> tuple[ChildSpec, ...]:
        return child_specs(
            config,
            receivers=settings.configuration.receive.processes,
            listener=listeners.plain.fileno() if listeners.plain else None,
            tls_listener=listeners.tls.fileno() if listeners.tls else None,
            settings=settings.descriptor,
        )

    with (
        running_process(configuration, "supervisor", is_supervisor=True) as process,
        audit_trail(configuration, "supervisor", is_node=True),
    ):
        log.info(
            "event=listening plain=%s tls=%s aet=%s bundle=%s",
            place_of(listeners.plain) or "-",
            place_of(listeners.tls) or "-",
            configuration.node.aet,
            bundle,
        )
        if not configuration.destinations:
            log.warning("event=no_destination text='results are kept and sent nowhere: name [[destinations]]'")
        mine = specs(taken)
        supervisor = Supervisor(mine, left_over=left_over(process.db, configuration.folder, mine))
        watch = Watch(process, supervisor)
        watch.reloader = Reloader(
            config,
            taken,
            bundle=bundle,
            supervisor=supervisor,
            specs=specs,
            tell=watch.tell_manager,
            forgive=forgive,
        )
        watch.run({"listening": place_of(listeners.plain), "listening_tls": place_of(listeners.tls)})


def _check_certificate(configuration: Configuration) -> None:
    """Refuse to start with a certificate that cannot be used; the receivers load it themselves."""
    keeper = keeper_of(configuration)
    if keeper is None:
        return
    keeper.load()
    if is_key_exposed(configuration.tls):
        log.warning("event=key_exposed text='every user of this machine may read receive.tls.key: chmod 600'")


def verify_bundle(config: Path, taken: Taken) -> str:
    """Load the bundle once in a child; give its name and hash.

    Raises
    ------
    BundleError
        It does not load; the text says why.
    """
    return BundleCheck(taken, config).answer()
