"""Query and retrieve with Orthanc and DCMTK's dcmqrscp: an exam's missing views come, and only they."""

import contextlib

import pytest

from dcis_node.retrieve.retriever import retrieve_next
from tests.analyse.objects import encoded, mammogram
from tests.peers import free_port, listens, orthanc, require, running, storescu
from tests.retrieve.helpers import exam, source

QR_CONFIG = """
NetworkTCPPort  = {port}
MaxPDUSize      = 16384
MaxAssociations = 16
HostTable BEGIN
node = (NODE, 127.0.0.1, {node})
HostTable END
VendorTable BEGIN
VendorTable END
AETable BEGIN
ARCHIVE {folder} RW (200, 1024mb) ANY
AETable END
"""


@contextlib.contextmanager
def orthanc_with(tmp_path, node_port, objects):
    with orthanc(tmp_path, aet="ARCHIVE", node=("NODE", node_port)) as peer:
        for ds in objects:
            peer.upload(encoded(ds))
        yield peer.dicom_port


@contextlib.contextmanager
def dcmqrscp_with(tmp_path, node_port, objects):
    tool, port = require("dcmqrscp"), free_port()
    folder = tmp_path / "dcmqrscp"
    folder.mkdir()
    config = tmp_path / "dcmqrscp.cfg"
    config.write_text(QR_CONFIG.format(port=port, node=node_port, folder=folder))
    with running([tool, "-c", config], log=tmp_path / "dcmqrscp.log", ready=lambda: listens(port)):
        files = tmp_path / "objects"
        files.mkdir()
        for number, ds in enumerate(objects):
            (files / f"{number}.dcm").write_bytes(encoded(ds))
        sent = storescu([files], port=port, aet="ARCHIVE", calling_aet="NODE")
        assert sent.returncode == 0, sent.stderr
        yield port


# dcmqrscp does not tell the SOP class of an image: what is not for presentation comes, too, and is declined here.
@pytest.mark.peer
@pytest.mark.parametrize(("peer", "besides"), [(orthanc_with, set()), (dcmqrscp_with, {"1.2.3.23"})])
def test_what_an_exam_lacks_comes_from_a_real_archive_and_nothing_else(listening, tmp_path, peer, besides):
    views = exam(SeriesInstanceUID="1.2.5.77")
    same_day = mammogram(11, "L ML", StudyInstanceUID="1.2.4.100")
    strangers = [
        mammogram(21, "R CC", patient="P2"),
        mammogram(22, "R CC", StudyInstanceUID="1.2.4.101", StudyDate="20251123"),
        mammogram(23, "R CC", SOPClassUID="1.2.840.10008.5.1.4.1.1.1.2.1", PresentationIntentType="FOR PROCESSING"),
    ]
    exam_id = listening.receive(*views[:2])
    listening.ask(exam_id, missing="R MLO, L MLO")
    with peer(tmp_path, listening.port, [*views, same_day, *strangers]) as port:
        assert retrieve_next(listening.lane(source(port)))
        assert not retrieve_next(listening.lane(source(port)))
    (asked,) = listening.asked()
    assert (asked.state, asked.found, asked.moved, asked.text) == ("done", 3 + len(besides), 3 + len(besides), "")
    assert listening.objects() == {*(str(ds.SOPInstanceUID) for ds in views), "1.2.3.11", *besides}


@pytest.mark.peer
@pytest.mark.parametrize("peer", [orthanc_with, dcmqrscp_with])
def test_an_archive_that_does_not_know_the_exam_has_none(listening, tmp_path, peer):
    views = exam()
    listening.ask(listening.receive(*views[:3]))
    with peer(tmp_path, listening.port, exam("P2")) as port:
        assert retrieve_next(listening.lane(source(port)))
    (asked,) = listening.asked()
    assert (asked.state, asked.found, asked.moved, asked.text) == ("done", 0, 0, "")


@pytest.mark.peer
@pytest.mark.parametrize(
    ("peer", "state", "words"),
    [(dcmqrscp_with, "failed", ("0xA801", "enter us there")), (orthanc_with, "due", ("0xC000", "are entered there"))],
)
def test_an_archive_that_does_not_know_us_as_a_destination_says_so(listening, tmp_path, peer, state, words, caplog):
    views = exam()
    listening.ask(listening.receive(*views[:3]))
    with peer(tmp_path, listening.port, views) as port:
        assert retrieve_next(listening.lane(source(port, move_to="NOBODY")))
    (asked,) = listening.asked()
    assert (asked.state, asked.attempts, asked.found, asked.moved) == (state, 1, 1, 0)
    assert [word for word in words if word not in asked.text] == []
    assert "Canary" not in caplog.text
