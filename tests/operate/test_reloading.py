"""A reload: taken whole, or refused whole with its reason while the old settings go on."""

import os

import pytest

from dcis_node.errors import BundleError
from dcis_node.operate import reloading
from dcis_node.operate.children import ChildSpec
from dcis_node.operate.reloading import BundleCheck, Reloader, take
from tests.operate.programs import FakeClock

BUNDLE = "dcis-demo 1 sha256=aa"


class FakeSupervisor:
    def __init__(self):
        self.applied = []
        self.tried = 0
        self.is_started = True

    def apply(self, specs, *, renew):
        self.applied.append((tuple(spec.name for spec in specs), set(renew)))

    def try_at_once(self):
        self.tried += 1


class FakeCheck:
    """The check of a bundle, answered when told to."""

    def __init__(self):
        self.done = True
        self.says = BUNDLE
        self.killed = False

    def __call__(self, taken, path):
        self.text = os.pread(taken.descriptor, 10_000, 0).decode()
        return self

    def is_done(self):
        return self.done

    def answer(self):
        if isinstance(self.says, Exception):
            raise self.says
        return self.says

    def kill(self):
        self.killed = True


class Scene:
    def __init__(self, folder):
        self.path = folder / "config.toml"
        self.path.write_text("")
        self.supervisor, self.check, self.clock, self.told = FakeSupervisor(), FakeCheck(), FakeClock(), []
        self.reloader = Reloader(
            self.path,
            take(b"", self.path),
            bundle=BUNDLE,
            supervisor=self.supervisor,
            specs=lambda _: [ChildSpec("receive-0", ()), ChildSpec("analyse-0", ()), ChildSpec("clock-0", ())],
            tell=self.told.append,
            check=self.check,
            forgive=lambda: self.told.append("forgiven"),
            clock=self.clock,
        )

    def reload(self, text):
        self.path.write_text(text)
        self.reloader.begin()
        for _ in range(2):
            self.reloader.round()
        return self.reloader.outcome


@pytest.fixture
def scene(tmp_path):
    return Scene(tmp_path)


def test_new_settings_are_taken_by_those_who_read_them(scene):
    outcome = scene.reload("[analyse]\nthreads = 1\n")
    assert (outcome.count, outcome.state, outcome.text, outcome.roles) == (1, "done", "", ("analyse",))
    assert scene.supervisor.applied == [(("receive-0", "analyse-0", "clock-0"), {"analyse"})]
    assert scene.reloader.taken.configuration.analyse.threads == 1
    assert scene.check.text == "[analyse]\nthreads = 1\n"
    assert scene.told == ["reloading", "forgiven", "ready"]
    assert scene.supervisor.tried == 1


def test_another_bundle_under_the_same_settings_renews_the_worker(scene):
    scene.check.says = "dcis-demo 2 sha256=bb"
    outcome = scene.reload("")
    assert (outcome.state, outcome.roles) == ("done", ("analyse",))
    assert scene.reloader.bundle == "dcis-demo 2 sha256=bb"
    assert scene.reload("").roles == ()


def test_a_worker_that_follows_a_registry_is_not_renewed_for_a_switch(scene):
    scene.reload('[analyse]\nbundle = "registry"\n')
    scene.check.says = "dcis-demo 2 sha256=bb"
    assert scene.reload('[analyse]\nbundle = "registry"\n').roles == ()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[receive]\nprots = 1\n", "receive.prots = 1: unknown key"),
        ("[receive\n", "not TOML"),
        ("[receive]\nport = 1\n", "needs a restart: receive.port"),
    ],
)
def test_what_cannot_be_taken_is_refused_with_its_text_and_the_old_goes_on(scene, caplog, text, why):
    before = scene.reloader.taken
    outcome = scene.reload(text)
    assert outcome.state == "refused"
    assert why in outcome.text
    assert "event=reload_refused" in caplog.text
    assert scene.reloader.taken is before
    assert scene.supervisor.applied == []
    assert scene.told == ["reloading", "forgiven", "ready"]
    assert scene.reload("").state == "done"


def test_a_file_that_is_gone_is_refused(scene):
    scene.path.unlink()
    scene.reloader.begin()
    assert "no such file" in scene.reloader.outcome.text


def test_a_certificate_that_cannot_be_used_is_refused(scene):
    tls = '[receive.tls]\ncertificate = "a.crt"\nkey = "a.key"\npeer_ca = "ca.crt"\n'
    scene.reloader.taken = take(tls.encode(), scene.path)
    assert "a.crt" in scene.reload(tls + "warn_days = 3\n").text


def test_a_bad_bundle_is_refused(scene):
    scene.check.says = BundleError("the bundle was altered")
    assert scene.reload("[analyse]\nthreads = 1\n").text == "the bundle was altered"
    assert scene.reloader.taken.configuration.analyse.threads == 0


def test_a_check_that_hangs_is_ended_and_refused(scene):
    scene.check.done = False
    scene.reload("")
    assert scene.reloader.is_running
    scene.clock.now += reloading.CHECK_SECONDS + 1
    scene.reloader.round()
    assert scene.check.killed
    assert "took longer" in scene.reloader.outcome.text


def test_it_is_done_when_the_new_processes_live_and_at_last_in_any_case(scene):
    scene.supervisor.is_started = False
    scene.reload("[analyse]\nthreads = 1\n")
    assert scene.reloader.is_running
    scene.clock.now += reloading.APPLY_SECONDS + 1
    scene.reloader.round()
    assert (scene.reloader.outcome.state, scene.reloader.is_running) == ("done", False)
    assert "sign of life" in scene.reloader.outcome.text


def test_a_stop_ends_the_check_that_is_under_way(scene):
    scene.reloader.leave()
    scene.check.done = False
    scene.reload("")
    scene.reloader.leave()
    assert scene.check.killed


def test_a_real_check_names_the_bundle_or_says_what_is_wrong(tmp_path):
    path = tmp_path / "config.toml"
    check = BundleCheck(take(b'[analyse]\nbundle = "nowhere"\n', path), path)
    with pytest.raises(BundleError, match="cannot be read"):
        check.answer()
    assert check.is_done()
