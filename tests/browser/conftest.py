"""One Orthanc, one server and one browser for all browser tests of a worker."""

import os
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from tests.browser.ohif_files import ohif_dist
from tests.browser.server import viewer_server
from tests.browser.viewer import Viewer
from tests.peer_programs import orthanc
from tests.peer_tools import require, without

DICOMWEB_PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
# No graphics card, no sandbox (the tests may run as root), nothing that asks the network.
BROWSER_ARGUMENTS = (
    "--no-sandbox",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WINDOW = {"width": 1600, "height": 1000}


@pytest.fixture(scope="session")
def archive(tmp_path_factory):
    """An Orthanc that speaks DICOMweb."""
    if not DICOMWEB_PLUGIN.exists():
        without(f"{DICOMWEB_PLUGIN} is missing (Debian package: orthanc-dicomweb)")
    web = {"Enable": True, "Root": "/dicom-web/", "EnableWado": True, "WadoRoot": "/wado"}
    full = {"StudiesMetadata": "Full", "SeriesMetadata": "Full"}
    with orthanc(tmp_path_factory.mktemp("archive"), Plugins=[str(DICOMWEB_PLUGIN)], DicomWeb=web | full) as running:
        yield running


@pytest.fixture(scope="session")
def viewer_url(archive):
    with viewer_server(ohif_dist(), orthanc_port=archive.http_port) as base:
        yield base


@pytest.fixture(scope="session")
def browser():
    chromium = require("chromium")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, headless=True, args=BROWSER_ARGUMENTS)
        yield running
        running.close()


@pytest.fixture(scope="session")
def pictures():
    """The folder that keeps the screenshots: $DCIS_NODE_SCREENSHOTS, or one beside the tests that git ignores."""
    folder = Path(os.environ.get("DCIS_NODE_SCREENSHOTS") or Path(__file__).parent / "screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def viewer(viewer_url, browser, pictures):
    page = browser.new_page(viewport=WINDOW)
    yield Viewer(page, viewer_url, pictures)
    page.close()


@pytest.fixture(scope="session")
def figures(pictures):
    """Keep what was measured, line by line."""
    file = pictures / "figures.txt"
    file.unlink(missing_ok=True)

    def note(*values):
        with file.open("a") as out:
            print(*values, sep="  ", file=out)

    return note
