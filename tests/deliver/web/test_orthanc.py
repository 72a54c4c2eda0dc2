"""STOW-RS and QIDO-RS with a service that others wrote: Orthanc and its DICOMweb plugin."""

import random
import threading
import urllib.request
from dataclasses import dataclass, replace
from email.parser import BytesParser
from functools import partial
from io import BytesIO

import pytest
from pydicom import dcmread
from pydicom.uid import ImplicitVRLittleEndian, JPEG2000Lossless

from dcis_node.config import DeliverSettings
from dcis_node.deliver import policy
from dcis_node.deliver.lane import Lane, deliver_next
from dcis_node.deliver.outcome import Failure
from dcis_node.deliver.route import Route
from dcis_node.deliver.web.address import WebAddress
from dcis_node.deliver.web.qido import find_stored, present, probe
from dcis_node.deliver.web.stow import stow_files
from tests.deliver.helpers import NOW, encoded_dataset
from tests.dicomweb_peer import dicomweb_orthanc, dicomweb_url

pytestmark = pytest.mark.peer
STUDY, SERIES = "1.2.826.0.1.9", "1.2.826.0.1.9.0"  # of `tests.deliver.helpers.dicom_file`


@dataclass(frozen=True)
class Row:
    sop_instance_uid: str
    study_instance_uid: str = STUDY
    series_instance_uid: str = SERIES


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    with dicomweb_orthanc(tmp_path_factory.mktemp("orthanc")) as running:
        yield running


@pytest.fixture
def web(archive):
    return WebAddress(dicomweb_url(archive), timeout_seconds=20.0)


def wado(web, uid):
    """Retrieve an object by WADO-RS: the bytes as stored."""
    request = urllib.request.Request(f"{web.url}/studies/{STUDY}/series/{SERIES}/instances/{uid}")  # noqa: S310
    request.add_header("Accept", 'multipart/related; type="application/dicom"; transfer-syntax=*')
    with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310
        whole = b"Content-Type: " + response.headers["Content-Type"].encode() + b"\r\n\r\n" + response.read()
    (part,) = BytesParser().parsebytes(whole).get_payload()
    return part.get_payload(decode=True)


def copies(archive, item):
    return archive.find("Instance", {"SOPInstanceUID": item.sop_instance_uid})


@pytest.mark.parametrize("options", [{}, {"syntax": ImplicitVRLittleEndian}, {"syntax": JPEG2000Lossless}])
def test_it_stores_the_bytes_as_they_were(archive, web, outgoing, options):
    items = outgoing(3, size_bytes=40_000, **options)
    assert [sent.status for sent in stow_files(items, web)] == [0, 0, 0]
    for item in items:
        (found,) = copies(archive, item)
        assert archive.file(found) == item.path.read_bytes()
        assert archive.file(found).endswith(encoded_dataset(item.path))
    retrieved = wado(web, items[0].sop_instance_uid)
    assert dcmread(BytesIO(retrieved)) == dcmread(items[0].path)


def test_it_takes_the_same_object_again_without_a_second_copy(archive, web, outgoing):
    (item,) = outgoing()
    verdicts = [policy.judge(sent, web).action for _ in range(3) for sent in stow_files([item], web)]
    assert verdicts == [policy.Action.DONE] * 3
    assert len(copies(archive, item)) == 1


def test_an_object_that_it_cannot_read_does_not_hold_up_the_others(archive, web, outgoing):
    good, bad = outgoing(2)
    whole = bad.path.read_bytes()
    bad.path.write_bytes(whole[: len(whole) - len(encoded_dataset(bad.path))] + b"\xff" * 50)
    sent = {one.item: one for one in stow_files([bad, good], web)}
    assert sent[good].status == 0
    assert policy.judge(sent[bad], web).action is not policy.Action.DONE
    assert copies(archive, bad) == []


def test_a_query_proves_what_is_there_and_only_that(web, outgoing):
    stored, never = outgoing(2)
    list(stow_files([stored], web))
    answer = find_stored([Row(stored.sop_instance_uid), Row(never.sop_instance_uid)], web)
    assert (answer.found, answer.missing) == ({stored.sop_instance_uid}, {never.sop_instance_uid})
    elsewhere = find_stored([Row(stored.sop_instance_uid, study_instance_uid="1.2.3.4.5")], web)
    assert elsewhere.missing == {stored.sop_instance_uid}
    assert present([stored, never], web).found == {stored.sop_instance_uid}


def test_it_answers_the_probe(web):
    assert probe(web).ok


def test_a_wrong_path_is_told_as_such(archive, web, outgoing):
    wrong = WebAddress(dicomweb_url(archive) + "/wrong")
    (sent,) = stow_files(outgoing(), wrong)
    assert sent.failure is Failure.NO_SERVICE
    assert not probe(wrong).ok


def test_results_of_the_outbox_arrive_once(archive, web, node, result_file):
    uids = [node.add(result_file(), study=STUDY) for _ in range(3)]
    lane = Lane(
        db=node.db,
        files=node.files,
        destination="pacs",
        route=Route(web, partial(stow_files, web=web), partial(probe, web)),
        settings=DeliverSettings(),
        owner="a",
        rng=random.Random(1),  # noqa: S311 -- jitter, not a secret
        stop=threading.Event(),
    )
    assert deliver_next(lane, now=NOW)
    assert not deliver_next(lane, now=NOW + 1)
    assert node.states() == {"sent": 3}
    for uid in uids:
        (found,) = archive.find("Instance", {"SOPInstanceUID": uid})
        assert archive.file(found) == node.file(uid).read_bytes()


def test_it_takes_our_credentials_only(tmp_path, outgoing, secret):
    """Without TLS: Orthanc 1.10.1 of Debian 12 dies when an HTTPS connection to it is cut."""
    (item,) = outgoing()
    with dicomweb_orthanc(tmp_path, AuthenticationEnabled=True, RegisteredUsers={"node": "pa55"}) as archive:
        nobody = WebAddress(dicomweb_url(archive), timeout_seconds=20.0)
        (refused,) = stow_files([item], nobody)
        someone = replace(nobody, username="node", password_file=secret("pa55\n", "password"))
        (taken,) = stow_files([item], someone)
        listed = find_stored([Row(item.sop_instance_uid)], someone)
        unasked = find_stored([Row(item.sop_instance_uid)], nobody)
    assert refused.failure is Failure.UNAUTHORIZED
    assert (taken.status, listed.found, listed.failure) == (0, {item.sop_instance_uid}, "")
    assert "HTTP 401: no credentials are configured" in unasked.failure
