"""Children for tests of the supervisor: small programs in place of `dcis-node run ROLE`."""

import subprocess
import sys

from dcis_node.operate import children

# They get the pulse as the real ones do.
BEGIN = "import os, signal, sys, time; pulse = int(os.environ['DCIS_NODE_PULSE_FD'])\n"
BEAT = "os.write(pulse, b'\\n')\n"
SLEEP = "signal.pause()\n"
# Deaf to SIGTERM, as one that is stuck in a call.
STUCK = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + 2 * BEAT + "while True: signal.pause()\n"
# Leaves when told to, in whichever way.
OBEDIENT = (
    "def leave(*_): raise SystemExit(0)\n"
    "signal.signal(signal.SIGTERM, leave)\n"
    "signal.signal(signal.SIGUSR1, leave)\n" + BEAT + SLEEP
)


class FakeClock:
    """Monotonic seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Programs:
    """Starts a program by the name of the child; what it was told is kept."""

    def __init__(self, monkeypatch, program: str = SLEEP) -> None:
        self.default = program
        self.by_name: dict[str, str] = {}
        self.environments: list[dict] = []
        self.commands: list[tuple] = []
        self._real = subprocess.Popen
        monkeypatch.setattr(children.subprocess, "Popen", self._popen)

    def _popen(self, command, **options):
        name = command[command.index("--name") + 1] if "--name" in command else ""
        self.environments.append(options["env"])
        self.commands.append(tuple(command))
        program = BEGIN + self.by_name.get(name, self.default)
        return self._real([sys.executable, "-S", "-c", program], **options)


def spec(name: str, *more: str) -> children.ChildSpec:
    """Give a process as `child_specs` does."""
    return children.ChildSpec(name, ("run", name.rpartition("-")[0], "--name", name, *more))
