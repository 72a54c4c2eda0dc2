"""Take new settings and a new bundle while the node runs (SIGHUP), or refuse them whole and go on with the old ones.

What takes time (the check of the bundle) runs beside: the supervisor goes on with its rounds.
"""

import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from dcis_node.config import Configuration, parse_configuration, read_settings
from dcis_node.errors import BundleError, ConfigurationError
from dcis_node.operate.certificate import keeper_of
from dcis_node.operate.reload_rules import Change, change_between, refusal
from dcis_node.operate.supervisor import ChildSpec, Supervisor

log = logging.getLogger(__name__)

# A bundle is read and hashed; what takes longer hangs.
CHECK_SECONDS = 300.0
# New processes have shown their first sign of life by then; if not, the reload is done all the same: they are tried on.
APPLY_SECONDS = 300.0
LONGEST_TEXT = 600


@dataclass(frozen=True)
class Taken:
    """Settings that the node goes by.

    Parameters
    ----------
    descriptor
        A file without a name that holds their text: what the children read, so that a file that is being edited, or
        was refused, is never read by a child that has to be started again.
    """

    configuration: Configuration
    descriptor: int


def take(text: bytes, path: Path) -> Taken:
    """Take settings from their text.

    Raises
    ------
    ConfigurationError
        They are not allowed.
    """
    configuration = parse_configuration(text, path)
    descriptor = os.memfd_create("dcis-node-config")
    with open(descriptor, "wb", closefd=False) as file:
        file.write(text)
    return Taken(configuration, descriptor)


class BundleCheck:
    """Loads the bundle once in a child, so that this process stays small (torch is 200 MB)."""

    def __init__(self, taken: Taken, path: Path) -> None:
        # Closed when the answer is read.
        self._out: IO[str] = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self._err: IO[str] = tempfile.TemporaryFile("w+")  # noqa: SIM115
        command = (sys.executable, "-m", "dcis_node", "verify-bundle", "--config", str(path))
        self._child = subprocess.Popen(
            (*command, "--config-fd", str(taken.descriptor)),
            stdin=subprocess.DEVNULL,
            stdout=self._out,
            stderr=self._err,
            pass_fds=(taken.descriptor,),
        )

    def is_done(self) -> bool:
        """Tell whether there is an answer."""
        return self._child.poll() is not None

    def answer(self) -> str:
        """Give the name and hash of the bundle; waits for them if need be.

        Raises
        ------
        BundleError
            It does not load; the text says why.
        """
        code = self._child.wait()
        out, err = (_text(file) for file in (self._out, self._err))
        if code:
            raise BundleError(err or f"the bundle check ended with code {code}")
        return out

    def kill(self) -> None:
        """End it."""
        self._child.kill()
        self._child.wait()
        self._out.close()
        self._err.close()


def _certificate_fault(configuration: Configuration) -> str:
    """Say what is wrong with our certificate by these settings, or ""."""
    keeper = keeper_of(configuration)
    if keeper is None:
        return ""
    try:
        keeper.load()
    except ConfigurationError as error:
        return str(error)
    return ""


def _text(file: IO[str]) -> str:
    file.seek(0)
    with file:
        return file.read().strip()


@dataclass
class _Running:
    """A reload under way."""

    taken: Taken
    change: Change
    began: float
    check: BundleCheck
    roles: tuple[str, ...] = ()
    applied: bool = False


@dataclass
class Outcome:
    """How the last reload ended, for the status."""

    count: int = 0
    state: str = ""
    text: str = ""
    at: float = 0.0
    roles: tuple[str, ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        """Give plain values."""
        return {**vars(self), "roles": list(self.roles)}


class Reloader:
    """Carries reloads out, one at a time; used by the supervisor's thread.

    Parameters
    ----------
    path
        The file of the settings.
    taken, bundle
        What the node goes by now.
    specs
        Lists the processes of a node by its settings.
    tell
        Told `reloading` when one begins and `ready` when it has ended (the service manager wants both).
    check
        Begins the check of a bundle.
    forgive
        Called when one begins: what was given up is to be tried again.
    """

    def __init__(
        self,
        path: Path,
        taken: Taken,
        *,
        bundle: str,
        supervisor: Supervisor,
        specs: Callable[[Taken], Sequence[ChildSpec]],
        tell: Callable[[str], None],
        check: Callable[[Taken, Path], BundleCheck] = BundleCheck,
        forgive: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path
        self.taken = taken
        self.bundle = bundle
        self._supervisor = supervisor
        self._specs = specs
        self._tell = tell
        self._check = check
        self._forgive = forgive
        self._clock = clock
        self._running: _Running | None = None
        self.outcome = Outcome()

    @property
    def is_running(self) -> bool:
        """True while a reload is under way."""
        return self._running is not None

    def begin(self) -> None:
        """Begin a reload: look at the file, then at the bundle. To be called when none is under way."""
        self._tell("reloading")
        self._forgive()
        self._supervisor.try_at_once()
        log.info("event=reload_begins")
        try:
            taken = take(read_settings(self._path), self._path)
        except ConfigurationError as error:
            self._refuse(str(error))
            return
        change = change_between(self.taken.configuration, taken.configuration)
        fault = refusal(change.refused) if change.refused else _certificate_fault(taken.configuration)
        if not fault:
            try:
                self._running = _Running(taken, change, self._clock(), self._check(taken, self._path))
            except OSError as error:
                fault = f"the check of the bundle could not be started: {error.strerror}"
        if fault:
            os.close(taken.descriptor)
            self._refuse(fault)

    def round(self) -> None:
        """Go on with the reload under way, if there is one; returns at once."""
        running = self._running
        if running is None:
            return
        late = self._clock() - running.began
        if running.applied:
            if self._supervisor.is_started or late > APPLY_SECONDS:
                self._done(running, whole=self._supervisor.is_started)
        elif running.check.is_done():
            self._decide(running)
        elif late > CHECK_SECONDS:
            running.check.kill()
            self._drop(running, f"the check of the bundle took longer than {CHECK_SECONDS:.0f} s")

    def leave(self) -> None:
        """End what is under way: the node stops."""
        if self._running is not None and not self._running.applied:
            self._running.check.kill()

    def _decide(self, running: _Running) -> None:
        try:
            bundle = running.check.answer()
        except BundleError as error:
            self._drop(running, str(error))
            return
        specs = self._specs(running.taken)
        roles = {spec.role for spec in specs if running.change.is_read_by(spec.role)}
        if bundle != self.bundle and not running.taken.configuration.takes_registry:
            roles.add("analyse")  # with a registry, the worker follows the switch itself
        self._supervisor.apply(specs, renew=roles)
        os.close(self.taken.descriptor)
        self.taken, self.bundle = running.taken, bundle
        running.roles, running.applied, running.began = tuple(sorted(roles)), True, self._clock()

    def _drop(self, running: _Running, text: str) -> None:
        os.close(running.taken.descriptor)
        self._refuse(text)

    def _done(self, running: _Running, *, whole: bool) -> None:
        text = "" if whole else "not every process has shown a sign of life yet"
        log.info("event=reloaded roles=%s bundle=%r text=%r", ",".join(running.roles) or "-", self.bundle, text)
        self._end("done", text, running.roles)

    def _refuse(self, text: str) -> None:
        """Go on with what there is."""
        log.error("event=reload_refused text=%r", text)
        self._end("refused", text)

    def _end(self, state: str, text: str, roles: tuple[str, ...] = ()) -> None:
        self._running = None
        self.outcome = Outcome(self.outcome.count + 1, state, text[:LONGEST_TEXT], time.time(), roles)
        self._tell("ready")
