"""A device that fails costs no view: less at once, then the CPU if that is allowed, and all of it is said."""

import json
import logging

import numpy as np
import pytest
import torch

from dcis_node.analyse.device_care import CarefulEnsemble, DeviceCare
from dcis_node.analyse.device_record import (
    MOST_FAILURES,
    RETRY_SECONDS,
    DeviceHistory,
    DeviceRecord,
    forgive_all,
)
from dcis_node.errors import DeviceError
from dcis_node.model.evidence import LesionSource, ViewPrediction
from tests.analyse.nodes import Clock

CUDA, CPU = torch.device("cuda"), torch.device("cpu")
SHORT = torch.OutOfMemoryError("CUDA out of memory")
LOST = RuntimeError("CUDA error: an illegal memory access was encountered Canary^Yellow")
VIEW = np.zeros((4, 4), np.float32), np.ones((4, 4), np.bool_)


class Gpu:
    """Ensembles whose GPU takes so many tiles at once, or fails."""

    def __init__(self, *, room=4, fault=None, room_for_networks=True):
        self.room, self.fault, self.room_for_networks = room, fault, room_for_networks
        self.calls = []

    def __call__(self, bundle, device):
        if device == CUDA and not self.room_for_networks:
            raise SHORT
        return FakeOnDevice(bundle, device, self)


class FakeOnDevice:
    def __init__(self, bundle, device, gpu):
        self.bundle, self.device, self.gpu = bundle, device, gpu
        self.tiles_at_once = 4 if device == CUDA else 1

    def predict_view(self, image, breast_mask, **_options):
        self.gpu.calls.append((self.device.type, self.tiles_at_once))
        if self.device == CUDA:
            if self.gpu.fault is not None:
                raise self.gpu.fault
            if self.tiles_at_once > self.gpu.room:
                raise SHORT
        return ViewPrediction(LesionSource.NONE, None, (), None, (), np.zeros(image.shape, np.bool_))


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "locks" / "analyse-0.device.json"


@pytest.fixture
def care(clock, path):
    def made(name="cuda", *, fallback=True, choose=lambda _: CUDA, **options):
        return DeviceCare(name, fallback=fallback, record=DeviceRecord(path), choose=choose, clock=clock, **options)

    return made


def no_device(_name):
    raise ValueError("device 'cuda' was asked for, but this machine offers no CUDA device")


def test_a_device_that_works_is_said_and_remembered(bundle, care, path):
    kept = care()
    ensemble = CarefulEnsemble(bundle, kept, gpu := Gpu())
    ensemble.predict_view(*VIEW)
    assert gpu.calls == [("cuda", 4)]
    assert kept.state.to_json() == {"device": "cuda", "fault_since": None, "fault": ""}
    assert json.loads(path.read_text())["kind"] == "cuda"
    assert not ensemble.stood_in


def test_too_little_memory_halves_the_tiles_at_once_and_the_view_is_tried_again(bundle, care, caplog):
    kept = care()
    ensemble = CarefulEnsemble(bundle, kept, gpu := Gpu(room=1))
    ensemble.predict_view(*VIEW)
    ensemble.predict_view(*VIEW)
    assert gpu.calls == [("cuda", 4), ("cuda", 2), ("cuda", 1), ("cuda", 1)]
    assert "event=device_out_of_memory device=cuda tiles_at_once=1" in caplog.text
    assert kept.state.fault_since is None


def test_with_room_for_nothing_the_cpu_takes_that_view_and_the_device_the_next(bundle, care, clock, caplog):
    kept = care()
    ensemble = CarefulEnsemble(bundle, kept, gpu := Gpu(room=0))
    ensemble.predict_view(*VIEW)
    assert gpu.calls == [("cuda", 4), ("cuda", 2), ("cuda", 1), ("cpu", 1)]
    assert ensemble.stood_in
    assert (kept.state.device, kept.state.fault_since) == ("cpu", clock.now)
    assert "out of memory" in kept.state.fault
    assert "event=device_fails" in caplog.text
    gpu.room = 4
    ensemble.predict_view(*VIEW)
    assert not ensemble.stood_in
    assert kept.state.to_json() == {"device": "cuda", "fault_since": None, "fault": ""}


def test_where_the_cpu_is_not_allowed_the_view_waits_in_sight(bundle, care, clock):
    kept = care(fallback=False)
    ensemble = CarefulEnsemble(bundle, kept, Gpu(room=0))
    with pytest.raises(DeviceError) as raised:
        ensemble.predict_view(*VIEW)
    assert not raised.value.spoilt
    assert (kept.state.device, kept.state.fault_since) == ("cuda", clock.now)


def test_networks_that_do_not_fit_run_on_the_cpu_or_not_at_all(bundle, care):
    kept = care()
    ensemble = CarefulEnsemble(bundle, kept, gpu := Gpu(room_for_networks=False))
    ensemble.predict_view(*VIEW)
    assert gpu.calls == [("cpu", 1)]
    assert "for the networks" in kept.state.fault
    with pytest.raises(DeviceError, match="cpu_fallback"):
        CarefulEnsemble(bundle, care(fallback=False), gpu)


def test_a_spoilt_device_ends_the_process_and_is_remembered(bundle, care, path, caplog):
    ensemble = CarefulEnsemble(bundle, care(), Gpu(fault=LOST))
    with pytest.raises(DeviceError) as raised:
        ensemble.predict_view(*VIEW)
    assert raised.value.spoilt
    assert DeviceRecord(path).history.failures == 1
    assert "event=device_lost device=cuda error=RuntimeError failures=1" in caplog.text
    assert "Canary" not in caplog.text + path.read_text() + str(raised.value)


def test_a_device_that_fails_at_the_start_is_spoilt_too(bundle, care):
    def build(_bundle, _device):
        raise LOST

    with pytest.raises(DeviceError) as raised:
        CarefulEnsemble(bundle, care(), build)
    assert raised.value.spoilt


def test_after_so_many_failures_in_a_row_the_cpu_computes_until_the_device_is_tried_again(
    bundle, care, clock, path, caplog
):
    began = clock.now
    for _ in range(MOST_FAILURES):
        with pytest.raises(DeviceError):
            CarefulEnsemble(bundle, care(), Gpu(fault=LOST)).predict_view(*VIEW)
        clock.now += 1.0
    kept = care()
    CarefulEnsemble(bundle, kept, gpu := Gpu()).predict_view(*VIEW)
    assert gpu.calls == [("cpu", 1)]
    assert (kept.state.device, kept.state.fault_since) == ("cpu", began)
    assert f"cuda failed {MOST_FAILURES} times: RuntimeError" in kept.state.fault
    assert "event=device_fallback" in caplog.text
    assert not kept.wants_another_try
    clock.now += RETRY_SECONDS
    assert kept.wants_another_try
    again = care()
    CarefulEnsemble(bundle, again, gpu).predict_view(*VIEW)
    assert gpu.calls[-1] == ("cuda", 4)
    assert DeviceRecord(path).history == DeviceHistory(kind="cuda")


def test_a_device_that_fails_again_after_its_rest_is_given_up_at_once(bundle, care, clock):
    history = DeviceHistory("cuda", MOST_FAILURES, clock.now, clock.now, "RuntimeError")
    clock.now += RETRY_SECONDS
    assert not history.is_given_up(clock.now)
    assert history.another("RuntimeError", now=clock.now).is_given_up(clock.now + 1)
    # A clock that was set back keeps no device away.
    assert not history.is_given_up(history.last_at - 100)


def test_what_was_given_up_is_tried_again_when_somebody_says_so(bundle, care, path):
    for _ in range(MOST_FAILURES):
        with pytest.raises(DeviceError):
            CarefulEnsemble(bundle, care(), Gpu(fault=LOST)).predict_view(*VIEW)
    assert care().device == CPU
    forgive_all(path.parent)
    assert care().device == CUDA
    forgive_all(path.parent)


def test_a_view_that_is_computed_ends_the_count(bundle, care, path):
    with pytest.raises(DeviceError):
        CarefulEnsemble(bundle, care(), Gpu(fault=LOST)).predict_view(*VIEW)
    CarefulEnsemble(bundle, care(), Gpu()).predict_view(*VIEW)
    assert DeviceRecord(path).history == DeviceHistory(kind="cuda")


def test_where_the_cpu_is_not_allowed_a_lost_device_stops_the_worker_in_sight(bundle, care, clock):
    for _ in range(MOST_FAILURES):
        with pytest.raises(DeviceError):
            CarefulEnsemble(bundle, care(fallback=False), Gpu(fault=LOST)).predict_view(*VIEW)
    with pytest.raises(DeviceError, match="cuda failed 3 times"):
        care(fallback=False)
    with pytest.raises(DeviceError, match="no CUDA device"):
        care(fallback=False, choose=no_device)


def test_a_device_that_is_not_there_is_said(care, caplog):
    kept = care(choose=no_device)
    assert (kept.device, kept.state.device) == (CPU, "cpu")
    assert "no CUDA device" in kept.state.fault


def test_auto_says_when_the_device_of_before_is_gone(bundle, care, clock):
    CarefulEnsemble(bundle, care("auto"), Gpu()).predict_view(*VIEW)
    kept = care("auto", choose=lambda _: CPU)
    assert "the cuda device of before is not there" in kept.state.fault
    assert not care("cpu", choose=lambda _: CPU).state.fault
    clock.now += RETRY_SECONDS
    assert kept.wants_another_try


def test_a_worker_that_nobody_starts_again_does_not_leave_for_its_device(care, clock):
    kept = care(choose=no_device, may_leave=False)
    clock.now += 10 * RETRY_SECONDS
    assert not kept.wants_another_try


def test_other_errors_are_passed_on_untouched(bundle, care):
    with pytest.raises(RuntimeError, match="shapes"):
        CarefulEnsemble(bundle, care(), Gpu(fault=RuntimeError("shapes"))).predict_view(*VIEW)

    def build(_bundle, _device):
        raise RuntimeError("shapes")

    with pytest.raises(RuntimeError, match="shapes"):
        CarefulEnsemble(bundle, care(), build)
    on_cpu = care("cpu", choose=lambda _: CPU)
    with pytest.raises(RuntimeError, match="shapes"):
        CarefulEnsemble(bundle, on_cpu, build)
    ensemble = CarefulEnsemble(bundle, on_cpu, Gpu())

    def short(*_arguments, **_options):
        raise SHORT

    ensemble._own.predict_view = short
    with pytest.raises(torch.OutOfMemoryError):
        ensemble.predict_view(*VIEW)


@pytest.mark.parametrize("text", ["", "{}", '{"kind": "cuda", "failures": "many"}', "[]"])
def test_a_damaged_record_tells_nothing(path, text, caplog):
    path.parent.mkdir()
    path.write_text(text)
    assert DeviceRecord(path).history == DeviceHistory()
    assert "event=device_record_unreadable" in caplog.text


def test_a_record_that_cannot_be_written_stops_nobody(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    record = DeviceRecord(tmp_path / "file" / "record.json")
    with caplog.at_level(logging.WARNING):
        record.failed("RuntimeError", now=1.0)
    assert record.history.failures == 1
    assert "event=device_record_not_written" in caplog.text
