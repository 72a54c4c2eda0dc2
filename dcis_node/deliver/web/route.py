"""The route to a DICOMweb service: STOW-RS, and QIDO-RS as the probe."""

from functools import partial
from pathlib import Path

from dcis_node.bcp195 import ClientTls
from dcis_node.config import DestinationSettings
from dcis_node.deliver.route import Route
from dcis_node.deliver.web.address import web_address
from dcis_node.deliver.web.qido import probe
from dcis_node.deliver.web.stow import stow_files


def web_route(destination: DestinationSettings, *, base: Path, tls: ClientTls | None, timeout_seconds: float) -> Route:
    """Make the route to a destination of kind dicomweb (see `web_address`)."""
    web = web_address(destination, base=base, tls=tls, timeout_seconds=timeout_seconds)
    return Route(web, partial(stow_files, web=web), partial(probe, web))
