"""The page is whole, needs nothing from outside, and believes no text."""

import base64
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from html.parser import HTMLParser
from io import BytesIO

import pytest
from PIL import Image
from sklearn.metrics import confusion_matrix, roc_auc_score

from dcis_node.errors import TrainingError
from training.evaluation_figures import figures_of
from training.report.cases import Case
from training.report.page import ReportSource, refuse_strangers, render
from training.report.readings import readings
from training.report.roc_figure import roc_figure
from training.report.style import Picture

VOID = {"meta", "img", "link", "br", "hr", "input"}
PIXEL = Picture("data:image/png;base64,AAAA", "a picture", "patient-001: a caption")
SECTIONS = (
    "summary",
    "roc",
    "confusion",
    "calibration",
    "decision",
    "learning",
    "localisation",
    "folds",
    "subgroups",
    "cases",
    "cohort",
    "flow",
    "limits",
    "making",
)


class Reader(HTMLParser):
    """Keeps what a browser would make of the page; refuses tags that do not close."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.ids, self.texts = [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.tags.append((tag, values))
        if "id" in values:
            self.ids.append(values["id"])
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)

    def all(self, tag):
        return [values for name, values in self.tags if name == tag]

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())


def source(made) -> ReportSource:
    return ReportSource(made.evaluation, made.run, made.cohort, made.bundle)


def page_of(made, cases=()) -> str:
    return render(source(made), cases=cases, made_at="2026-02-03", software={"matplotlib": "3.x"})


@pytest.fixture(scope="module")
def text(made) -> str:
    """Give the page with one case, rendered once."""
    return page_of(made, cases=((Case("wrong", "patient-001", (), "words"), PIXEL),))


@pytest.fixture(scope="module")
def page(text) -> "Reader":
    return Reader(text)


def test_the_page_has_every_section_and_a_table_of_contents_that_leads_to_each(page):
    assert tuple(name for name in page.ids if not name.endswith("-title")) == SECTIONS
    assert [link["href"] for link in page.all("a")] == [f"#{name}" for name in SECTIONS]
    assert len(page.all("h1")) == 1
    assert page.all("html") == [{"lang": "en"}]
    assert page.text.count("RESEARCH USE ONLY") == 2
    assert "2026-02-03" in page.text


def test_the_page_needs_nothing_from_outside_and_runs_nothing(text, page):
    assert "://" not in text
    assert text.isascii()
    assert not page.all("script") + page.all("link") + page.all("iframe") + page.all("object")
    assert not [name for _, values in page.tags for name in values if name.startswith("on")]
    assert all(image["src"].startswith("data:image/") for image in page.all("img"))
    (policy,) = [meta["content"] for meta in page.all("meta") if "http-equiv" in meta]
    assert "default-src 'none'" in policy


def test_every_picture_can_be_opened_and_says_what_it_shows(page):
    images = [image for image in page.all("img") if image["src"] != PIXEL.uri]
    assert len(images) == 8
    assert all(len(image["alt"]) > 40 for image in images)
    for image in images:
        kind, content = re.fullmatch(r"data:image/(svg\+xml|png);base64,(.+)", image["src"]).groups()
        blob = base64.b64decode(content, validate=True)
        if kind == "png":
            Image.open(BytesIO(blob)).verify()
        else:
            assert ET.fromstring(blob).tag.endswith("svg")  # noqa: S314 - made by ourselves


def test_every_table_has_a_caption_and_rows_as_long_as_its_head(text):
    tables = re.findall(r"<table>.*?</table>", text, re.DOTALL)
    assert len(tables) == 7
    for table in tables:
        assert "<caption>" in table
        columns = len(re.findall(r'scope="col"', table))
        rows = re.findall(r'<tr><th scope="row">.*?</tr>', table, re.DOTALL)
        assert rows
        assert all(row.count("<td>") == columns - 1 for row in rows)


def test_a_vendor_named_like_markup_stays_a_text(text, page):
    assert "<script" not in text
    assert "vendor: <script>alert(1)</script> $x^$ | [a](b)" in page.text


def test_what_comes_from_phantoms_is_called_synthetic_and_not_comparable(page):
    assert "SYNTHETIC" in page.text
    assert "cannot be compared with the paper's" in page.text
    assert "this cohort (synthetic)" in page.text


def test_the_papers_figures_stand_in_a_column_of_their_own(text):
    first = re.search(r"<table>.*?</table>", text, re.DOTALL).group()
    assert re.findall(r'<th scope="col">(.*?)</th>', first)[-1] == "paper (clinical, other data)"
    rows = re.findall(r'<tr><th scope="row">([^<]*)</th><td>.*?</td><td>.*?</td><td>([^<]*)</td></tr>', first)
    # Cancer Imaging 2024, 24:48, scenario with upstaged cases; PPV and NPV belong to the threshold 0.5 alone.
    assert dict(rows)["AUROC per patient"] == "0.76"
    assert [row for row in rows if row[1] != "-"] == [
        ("patients", "93"),
        ("AUROC per patient", "0.76"),
        ("PPV", "80.0 %"),
        ("NPV", "83.9 %"),
    ]


def test_the_figures_are_those_of_the_evaluation(made, text):
    given = made.evaluation.figures["given"]
    labels = [patient.label for patient in made.evaluation.patients]
    area = roc_auc_score(labels, [patient.given for patient in made.evaluation.patients])
    assert f"<td>{area:.3f} ({given['auc']['low']:.3f} to {given['auc']['high']:.3f})</td>" in text
    called = [patient.given >= 0.5 for patient in made.evaluation.patients]
    (true_low, false_high), (missed, true_high) = confusion_matrix(labels, called)
    told = f"{true_high} high called high, {missed} high called low, {false_high} low called high, {true_low} low"
    assert f"lesion given, at 0.5: {told}" in text


def test_the_hashes_of_all_that_was_used_are_on_the_page(made, page):
    evaluation = made.evaluation
    for value in (
        evaluation.bundle_sha256,
        evaluation.cohort_sha256,
        evaluation.splits_sha256,
        evaluation.test_sha256,
        evaluation.sha256,
    ):
        assert value in page.text
    assert "matplotlib 3.x" in page.text
    assert "torch 2.x" in page.text


def test_equal_figures_have_equal_bytes(made):
    assert roc_figure(readings(made.evaluation)) == roc_figure(readings(made.evaluation))


def remade(made, views, patients, **changes):
    """Give the evaluation of other rows."""
    npv = {"aim": 0.909, "threshold": None, "rule": "none was recorded"}
    figures = figures_of(views, patients, data="rows", scenario="upstage", threshold=0.35, npv=npv, seed=1)
    return replace(made.evaluation, patients=patients, views=views, figures=figures, **changes)


def test_a_clinical_page_without_sweeps_and_epochs_says_what_is_missing_and_nothing_of_phantoms(made, own_run):
    for number in own_run.numbers:
        (own_run.fold_folder(number) / "epochs.csv").unlink()
    views = tuple(replace(view, swept=False, found_probabilities=()) for view in made.evaluation.views)
    patients = tuple(replace(patient, found=None, found_by_fold=()) for patient in made.evaluation.patients)
    evaluation = remade(made, views, patients, synthetic=False)
    cohort = replace(made.cohort, synthetic=False)
    page = Reader(page_of(replace(made, evaluation=evaluation, cohort=cohort, run=own_run)))
    assert "No whole view was swept" in page.text
    assert "no figures by epoch" in page.text
    assert "SYNTHETIC" not in page.text
    assert "phantom" not in page.text
    assert "The paper's figures come from other patients" in page.text


def test_a_test_set_of_one_class_has_no_curves_but_a_page(made):
    low = tuple(patient for patient in made.evaluation.patients if patient.label == 0)
    keys = {patient.patient for patient in low}
    views = tuple(view for view in made.evaluation.views if view.patient in keys)
    page = Reader(page_of(replace(made, evaluation=remade(made, views, low))))
    assert page.text.count("all of one class") == 3
    assert "Chosen NPV 90.9 %: no threshold; none was recorded." in page.text


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda made: {"evaluation": replace(made.evaluation, bundle_sha256="0" * 64)}, "the bundle is"),
        (lambda made: {"evaluation": replace(made.evaluation, cohort_sha256="0" * 64)}, "the cohort is"),
        (lambda made: {"run": replace(made.run, cohort_sha256="0" * 64)}, "the run's cohort is 000000000000"),
        (lambda made: {"run": replace(made.run, splits_sha256="0" * 64)}, "the run's splits"),
        (lambda made: {"run": replace(made.run, seed=99)}, "the run's seed is 99"),
        (lambda made: {"run": replace(made.run, recipe=replace(made.run.recipe, focal_gamma=1.0))}, "recipe"),
    ],
)
def test_what_does_not_belong_together_is_refused_by_name(made, change, named):
    refuse_strangers(source(made))
    with pytest.raises(TrainingError, match=named):
        refuse_strangers(replace(source(made), **change(made)))
