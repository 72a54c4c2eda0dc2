"""The analysis process: one for each device."""

import os

from dcis_node.analyse.device_care import DeviceCare
from dcis_node.analyse.device_record import SUFFIX, DeviceRecord
from dcis_node.analyse.worker import run_worker
from dcis_node.config import Configuration
from dcis_node.operate.bundles import bundles_of
from dcis_node.operate.process import running_process
from dcis_node.operate.pulse import LastWords, Pulse
from dcis_node.operate.site import destinations_of, equipment_of
from storage.reports import last_judged_by

# Exit code of a worker that ends itself because an item hangs.
HUNG = 70


def run_analyse(configuration: Configuration, name: str, *, lifeline: int | None) -> None:
    """Be the analysis worker."""
    pulse = Pulse.of(os.environ) if lifeline is not None else Pulse()
    settings = configuration.analyse

    def hangs() -> None:
        """End at once: the thread that hangs cannot be ended otherwise, and a kill at any line costs its item only."""
        pulse.leave(LastWords("Hung", f"an item took longer than {settings.item_timeout_seconds:g} s"))
        os._exit(HUNG)

    record = DeviceRecord(configuration.folder / "locks" / f"{name}{SUFFIX}")
    with running_process(configuration, name, lifeline=lifeline) as process:
        with process.db.read() as session:
            last_used = last_judged_by(session)
        why = run_worker(
            db=process.db,
            files=process.files,
            bundles=bundles_of(configuration, last_used=last_used),
            settings=settings,
            equipment=equipment_of(configuration),
            destinations=destinations_of(configuration),
            owner=process.owner,
            stop=process.stop,
            beat=process.beat,
            hangs=hangs,
            care=DeviceCare(
                settings.device, fallback=settings.cpu_fallback, record=record, may_leave=lifeline is not None
            ),
        )
    if why:
        pulse.leave(LastWords("", why))
