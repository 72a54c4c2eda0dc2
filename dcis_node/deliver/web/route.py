"""The route to a DICOMweb service: STOW-RS, and QIDO-RS as the probe."""

from functools import partial

from dcis_node.deliver.route import Route
from dcis_node.deliver.web.address import WebAddress
from dcis_node.deliver.web.qido import probe
from dcis_node.deliver.web.stow import stow_files


def web_route(web: WebAddress) -> Route:
    """Make the route to a DICOMweb service."""
    return Route(web, partial(stow_files, web=web), partial(probe, web))
