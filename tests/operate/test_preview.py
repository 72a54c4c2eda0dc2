"""`dcis-node preview`: from a UID to the picture, whatever the exam; index and files stay as they are."""

import io
import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread

from dcis_node.cli.exam_commands import PROFILES
from dcis_node.config import configuration_from
from dcis_node.errors import InputError
from dcis_node.operate.preview import preview
from dcis_node.operate.site import equipment_of
from dcis_node.receive.header import header_bytes
from dcis_node.results.profiles import Destination, Profile
from storage.leaving import Door, lose_images
from storage.schema import Base
from tests.analyse.conftest import bundle, bundle_folder  # noqa: F401 -- fixtures
from tests.analyse.nodes import Node
from tests.analyse.objects import FOR_PROCESSING, mammogram, other_class

OHIF = Destination("pacs", Profile.OHIF)
SAID_OF_NOTHING = {"readable_report", "summary_image"}


@pytest.fixture
def node(tmp_path, bundle_folder, bundle, monkeypatch):  # noqa: F811
    """A node as `config.toml` in its folder describes it."""
    decoded = lambda path, _settings, *, scratch: dcmread(path).pixel_array  # noqa: E731
    monkeypatch.setattr("dcis_node.analyse.view.decode_pixels", decoded)
    monkeypatch.setattr("dcis_node.operate.preview.decode_pixels", decoded)
    made = Node(tmp_path, bundle)
    text = f'[storage]\nfolder = "."\n[analyse]\nbundle = "{bundle_folder}"\n'
    (tmp_path / "config.toml").write_text(text, encoding="utf-8")
    made.configuration = configuration_from(
        {"storage": {"folder": "."}, "analyse": {"bundle": str(bundle_folder)}}, tmp_path / "config.toml"
    )
    made.put(destinations=(OHIF,), equipment=equipment_of(made.configuration))
    yield made
    made.db.close()


def look(node, uid="1", profile=Profile.OHIF):
    return preview(node.configuration, node.db, uid, profile)


def kinds(made):
    return {sent.kind.value for sent in made.scene.objects}


def everything(node):
    """All rows of all tables, and the files."""
    with node.db.read() as session:
        rows = {name: session.execute(table.select()).all() for name, table in Base.metadata.tables.items()}
    return [rows, sorted(node.files.digests())]


@pytest.mark.parametrize("profile", Profile)
def test_any_profile_can_be_looked_at_and_nothing_is_written(node, profile):
    node.report(mammogram(1, "R CC"), mammogram(2, "R MLO"))
    before = everything(node)
    made = look(node, profile=profile)
    assert everything(node) == before
    assert kinds(made) == Destination("", profile).kinds(outlined=True)
    assert made.picture.width > 1000


def test_stored_objects_are_the_stored_bytes_and_the_others_are_built_again(node):
    node.report(mammogram(1, "R CC"))
    stored = {node.files.read(result.sha256) for result in node.results}
    made = look(node, profile=Profile.GENERIC)
    for sent in made.scene.objects:
        assert (sent.data in stored) != sent.built_again
        assert sent.built_again == (sent.kind in ("measurement_report", "presentation_state", "summary_image"))
    assert made.scene.notes
    assert not look(node).scene.notes


def test_what_was_built_for_the_preview_is_what_a_destination_would_have_got(node):
    node.put(destinations=(OHIF, Destination("ws", Profile.MAMMO_WORKSTATION)))
    node.report(mammogram(1, "R CC"))
    told = {sent.kind: sent.data for sent in look(node, profile=Profile.MAMMO_WORKSTATION).scene.objects}
    with node.db.write() as session:
        table = Base.metadata.tables["result"]
        session.execute(Base.metadata.tables["outbox"].delete())
        session.execute(table.delete().where(table.c.kind.in_(["cad_report", "presentation_state", "summary_image"])))
    again = look(node, profile=Profile.MAMMO_WORKSTATION).scene.objects
    assert {sent.kind: sent.data for sent in again} == told
    assert sum(sent.built_again for sent in again) == 3


def test_the_last_report_is_looked_at(node):
    node.report(mammogram(1, "R CC"))
    node.report(mammogram(2, "R MLO"))
    made = look(node)
    assert (made.exam_id, made.version) == (1, 2)
    assert len(made.scene.images) == 2


@pytest.mark.parametrize("uid", ["1", "1.2.4.1", "1.2.5.1", "1.2.3.1"], ids=["exam", "study", "series", "image"])
def test_an_exam_is_found_as_by_trace(node, uid):
    node.report(mammogram(1, "R CC"))
    assert look(node, uid).exam_id == 1
    assert look(node, node.results[0].sop_instance_uid).exam_id == 1


def test_nothing_found_shows_its_views_its_sentence_and_its_picture(node):
    node.ensemble.probability = None
    node.report(mammogram(1, "R CC"), mammogram(2, "L CC"))
    made = look(node)
    assert kinds(made) == SAID_OF_NOTHING
    assert any("No calcifications were found" in text for section in made.scene.sections() for text in section.texts)
    assert [image.unused for image in made.scene.images] == ["", ""]


def test_a_refusal_shows_its_images_with_the_reason(node):
    node.report(other_class(1, FOR_PROCESSING, "MG"))
    made = look(node)
    assert kinds(made) == SAID_OF_NOTHING
    assert "FOR PROCESSING" in made.scene.images[0].unused


def test_a_view_that_cannot_be_decoded_is_framed_and_the_others_are_drawn(node):
    node.report(mammogram(1, "R CC"), mammogram(2, "R MLO", NumberOfFrames=2))
    made = look(node)
    assert len(made.scene.images) == 2
    assert np.asarray(made.picture).any()


def test_identity_that_is_burned_into_pixels_does_not_get_into_the_picture(node, monkeypatch):
    node.report(mammogram(1, "R CC", BurnedInAnnotation="NO"), mammogram(2, "L CC", BurnedInAnnotation="YES"))
    asked = []

    def decoded(path, _settings, *, scratch):
        asked.append(path)
        return dcmread(path).pixel_array

    monkeypatch.setattr("dcis_node.operate.preview.decode_pixels", decoded)
    look(node)
    assert asked == [node.files.path(node.instance(1).sha256)]


def test_an_exam_whose_images_have_left_asks_for_them(node):
    node.report(mammogram(1, "R CC"))
    door = Door(node.db, node.files, header_bytes, now=node.clock.now)
    assert lose_images(door, 1, lambda _: True) is not None
    with pytest.raises(InputError, match=r"images of exam 1 left this node on .* send them again"):
        look(node)


def test_a_uid_of_two_exams_asks_for_the_number_of_one(node):
    node.report(mammogram(1, "R CC"), mammogram(2, "R CC", patient="P2", SeriesInstanceUID="1.2.5.1"))
    assert len(node.exams) == 2
    with pytest.raises(InputError, match="belongs to the exams 1, 2: name one by its number"):
        look(node, "1.2.5.1")
    assert look(node, "2").exam_id == 2


def test_the_command_line_names_the_profiles_that_there_are():
    assert set(PROFILES) == set(Profile)


def test_what_cannot_be_looked_at_is_named(node):
    with pytest.raises(InputError, match="knows no such UID"):
        look(node, "1.2.3.4.5")
    node.receive(mammogram(1, "R CC"))
    with pytest.raises(InputError, match="exam 1 has no report yet"):
        look(node)
    node.work()
    node.sweep()
    node.work()
    node.receive(mammogram(2, "R MLO"))
    # What is stored can be looked at; what would have to be built again cannot.
    assert look(node).version == 1
    with pytest.raises(InputError, match="has changed since its last report"):
        look(node, profile=Profile.ARCHIVE)


def test_the_command_writes_a_png_lists_the_objects_and_ends_with_its_exit_codes(node, tmp_path):
    node.report(mammogram(1, "R CC"))

    def run(*arguments):
        command = [sys.executable, "-m", "dcis_node", "preview", *arguments, "--config", str(tmp_path / "config.toml")]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    done = run("1", "--profile", "ohif", "--json", "--out", str(tmp_path / "p.png"))
    assert done.returncode == 0, done.stderr
    values = json.loads(done.stdout)
    kinds = {sent["kind"] for sent in values["objects"]}
    assert kinds == {"readable_report", "view_measurement_report", "segmentation"}
    assert values["objects"][0]["series_number"] == 9001
    with Image.open(io.BytesIO((tmp_path / "p.png").read_bytes())) as picture:
        assert picture.format == "PNG"
        assert not picture.info
    unknown = run("77", "--profile", "ohif")
    assert (unknown.returncode, unknown.stderr.strip()) == (1, "the index knows no such UID")
    wrong = run("1", "--profile", "sectra")
    assert wrong.returncode == 2
    assert "mammo-workstation" in wrong.stderr
