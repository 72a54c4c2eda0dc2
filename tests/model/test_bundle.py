import json

import pytest
import torch

from dcis_node.errors import BundleError
from dcis_node.model.bundle import load_bundle, write_bundle
from dcis_node.model.network import UNet


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "bundle"


def edit(folder, change):
    path = folder / "manifest.json"
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))


def test_a_bundle_comes_back_as_it_was_written(make_bundle, folder, tiny_settings):
    written = make_bundle()
    loaded = load_bundle(folder, expected_sha256=written.sha256)
    assert (loaded.name, loaded.version, loaded.scenario) == ("tiny-synthetic", "0.0.1", "grade")
    assert loaded.synthetic is True
    assert loaded.threshold == 0.4
    assert loaded.network == tiny_settings["network"]
    assert loaded.preprocessing == tiny_settings["preprocessing"]
    assert loaded.manifest.calibration == tiny_settings["calibration"]
    assert loaded.figures == {"auc": 0.5}
    assert loaded.training == {"seed": 1}
    assert len(loaded.folds) == 2


def test_weights_come_back_within_half_precision(make_bundle, tiny_config):
    bundle = make_bundle()
    torch.manual_seed(1)
    for name, tensor in UNet(tiny_config).state_dict().items():
        assert bundle.folds[1][name].dtype == tensor.dtype
        torch.testing.assert_close(bundle.folds[1][name], tensor, rtol=1e-3, atol=1e-4)


def test_writing_the_same_bundle_twice_gives_the_same_hash(make_bundle):
    assert make_bundle("one").sha256 == make_bundle("two").sha256


def test_the_layout_of_the_manifest_does_not_change_its_hash(make_bundle, folder):
    written = make_bundle()
    edit(folder, lambda _: None)
    assert load_bundle(folder).sha256 == written.sha256


@pytest.mark.parametrize("change", [{"threshold": 0.41}, {"figures": {"auc": 0.6}}, {"version": "0.0.2"}])
def test_any_other_setting_is_another_bundle(make_bundle, change):
    assert make_bundle("one").sha256 != make_bundle("two", **change).sha256


def test_one_altered_byte_of_the_weights_is_refused(make_bundle, folder):
    make_bundle()
    path = folder / "fold-2.safetensors"
    blob = bytearray(path.read_bytes())
    blob[-1] ^= 1
    path.write_bytes(blob)
    with pytest.raises(BundleError, match=r"fold-2\.safetensors was altered"):
        load_bundle(folder)


def test_another_bundle_than_the_expected_one_is_refused(make_bundle, folder):
    make_bundle()
    with pytest.raises(BundleError, match=r"not the expected 0{64}"):
        load_bundle(folder, expected_sha256="0" * 64)


def test_a_changed_threshold_does_not_pass_as_the_expected_bundle(make_bundle, folder):
    expected = make_bundle().sha256
    edit(folder, lambda values: values.update(threshold=0.99))
    with pytest.raises(BundleError, match="not the expected"):
        load_bundle(folder, expected_sha256=expected)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda v: v.update(temperature=2), "temperature"),
        (lambda v: v["network"].update(attention=True), "attention"),
        (lambda v: v["preprocessing"].update(sharpen=1), "sharpen"),
        (lambda v: v["localisation"].update(shape="round"), "shape"),
        (lambda v: v["weights"][0].update(name="../fold-1.safetensors"), "weights.0.name"),
        (lambda v: v.update(scenario="stage"), "scenario"),
        (lambda v: v.update(format="dcis-node-bundle/2"), "format"),
        (lambda v: v.update(research_use_only=False), "research_use_only"),
        (lambda v: v.pop("calibration"), "calibration"),
        (lambda v: v["calibration"].update(slope=-1.0), "slope"),
        (lambda v: v.update(threshold=1.0), "threshold"),
    ],
)
def test_a_manifest_that_is_not_understood_is_refused_and_the_setting_named(make_bundle, folder, change, named):
    make_bundle()
    edit(folder, change)
    with pytest.raises(BundleError, match=named):
        load_bundle(folder)


def test_weights_of_another_network_are_refused_and_the_tensor_named(make_bundle, folder):
    make_bundle()
    edit(folder, lambda values: values["network"].update(branch_channels=3))
    with pytest.raises(BundleError, match=r"fold-1\.safetensors: branch"):
        load_bundle(folder)


def test_weights_of_a_deeper_network_are_refused(make_bundle, folder):
    make_bundle()
    edit(folder, lambda values: values["network"].update(depth=2))
    with pytest.raises(BundleError, match="is unknown to the manifest's network"):
        load_bundle(folder)


@pytest.mark.parametrize("name", ["manifest.json", "fold-1.safetensors"])
def test_a_missing_file_is_named(make_bundle, folder, name):
    make_bundle()
    (folder / name).unlink()
    with pytest.raises(BundleError, match=name):
        load_bundle(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", "null"])
def test_a_manifest_that_is_no_manifest_is_refused(make_bundle, folder, text):
    make_bundle()
    (folder / "manifest.json").write_text(text)
    with pytest.raises(BundleError, match=r"manifest\.json"):
        load_bundle(folder)


def test_a_figure_that_is_no_number_is_refused(make_bundle):
    with pytest.raises(BundleError, match="finite"):
        make_bundle(figures={"auc": float("nan")})


def test_a_bundle_is_never_overwritten(make_bundle):
    make_bundle()
    with pytest.raises(BundleError, match="must be empty"):
        make_bundle()


def test_a_weight_that_half_precision_cannot_hold_is_refused(tmp_path, tiny_settings, tiny_config):
    weights = UNet(tiny_config).state_dict()
    weights["branch.output.weight"] = torch.full((2, 2, 1, 1), 1e6)
    with pytest.raises(BundleError, match=r"branch\.output\.weight"):
        write_bundle(tmp_path / "new", [weights], settings=tiny_settings)
