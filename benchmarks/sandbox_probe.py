"""What a process of the service may do: tried, from within. Standard library only; one JSON object on standard output.

    python -m benchmarks.sandbox_probe HOST PORT      (an address that the service is not to reach)

Each attempt is told by what came of it: "done", or the name of the error. `benchmarks.sandbox` runs this twice: with
the directives of a unit, and without, so that a refusal says something.
"""

import ctypes
import errno
import json
import mmap
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

CLONE_NEWUSER, CLONE_NEWNET, CLONE_NEWNS = 0x10000000, 0x40000000, 0x00020000
PER_LINUX32 = 0x0008
LANDLOCK_CREATE_RULESET, CREATE_RULESET_VERSION = 444, 1
AF_PACKET, AF_NETLINK = 17, 16
KEYCTL, KEY_SPEC_SESSION_KEYRING = 250, -3
CONNECT_SECONDS = 2.0
STATE = Path("/var/lib/dcis-node")


def libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def call(name: str, *arguments: object) -> int:
    """Call the C library; -1 raises."""
    result = int(getattr(libc(), name)(*arguments))
    if result == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def write_file(path: str) -> None:
    file = Path(path)
    file.write_text("probe", encoding="ascii")
    file.unlink()


def set_user_id_file() -> None:
    file = STATE / "probe-suid"
    try:
        file.touch()
        file.chmod(0o4755)
    finally:
        file.unlink(missing_ok=True)


def code_at_run_time() -> None:
    mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close()


def mount() -> None:
    call("mount", b"none", b"/tmp", b"tmpfs", 0, None)
    call("umount", b"/tmp")  # where it worked, it is not to stay


def other_processes() -> None:
    """Look for a process of another user."""
    mine = os.getuid()
    for folder in Path("/proc").glob("[0-9]*"):
        if folder.stat().st_uid != mine:
            return
    raise ProcessLookupError(errno.ESRCH, "none to be seen")


def connect(host: str, port: int) -> None:
    with socket.create_connection((host, port), timeout=CONNECT_SECONDS):
        pass


def decoding_child_limits() -> None:
    """Do what a decoding child does first (dcis_node/analyse/limits.py), in a child."""
    code = "import resource as r; [r.setrlimit(k, (1 << 32, 1 << 32)) for k in (r.RLIMIT_AS, r.RLIMIT_FSIZE)]"
    if subprocess.run([sys.executable, "-c", code], check=False, stderr=subprocess.DEVNULL).returncode:
        raise OSError(errno.EPERM, "limits")


def in_child(action: Callable[[], object]) -> Callable[[], None]:
    """Do something in a child that is not to stay: a namespace, a changed personality."""

    def forked() -> None:
        pid = os.fork()
        if pid == 0:
            try:
                action()
                os._exit(0)
            except OSError as error:
                os._exit(error.errno or 255)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if code:
            raise OSError(code if code > 0 else errno.EIO, "child")

    return forked


def attempts(host: str, port: int) -> dict[str, Callable[[], object]]:
    """List what is to be refused."""
    return {
        "write /etc": lambda: write_file("/etc/dcis-node/probe"),
        "write /usr": lambda: write_file("/usr/probe"),
        "write the program": lambda: write_file("/opt/dcis-node/probe"),
        "write /var": lambda: write_file("/var/probe"),
        "read /etc/shadow": lambda: Path("/etc/shadow").read_bytes(),
        "see /root": lambda: list(Path("/root").iterdir()),
        "see /home": lambda: Path("/home").stat() and list(Path("/home").iterdir()),
        "see other users' processes": other_processes,
        "see the host's devices": lambda: Path("/dev/net/tun").stat(),
        "read the kernel's log": lambda: call("klogctl", 3, ctypes.create_string_buffer(64), 64),
        "write a kernel setting": lambda: Path("/proc/sys/kernel/domainname").write_text("x", encoding="ascii"),
        "write a control group": lambda: Path("/sys/fs/cgroup/systemd/probe").mkdir(),
        "new user namespace": in_child(lambda: call("unshare", CLONE_NEWUSER)),
        "new network namespace": in_child(lambda: call("unshare", CLONE_NEWNET)),
        "new mount namespace": in_child(lambda: call("unshare", CLONE_NEWNS)),
        "mount": mount,
        "become root": in_child(lambda: os.setuid(0)),
        "set-user-ID file": set_user_id_file,
        "code made at run time": code_at_run_time,
        "other personality": in_child(lambda: call("personality", PER_LINUX32)),
        "real-time priority": in_child(lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))),
        "higher priority": in_child(lambda: os.setpriority(os.PRIO_PROCESS, 0, -5)),
        "packet socket": lambda: socket.socket(AF_PACKET, socket.SOCK_RAW, 0).close(),
        "netlink socket": lambda: socket.socket(AF_NETLINK, socket.SOCK_RAW, 0).close(),
        "set the host's name": lambda: socket.sethostname(socket.gethostname()),
        "trace a process": in_child(lambda: call("ptrace", 0, 0, None, None)),
        "reach a foreign address": lambda: connect(host, port),
        "signal the service manager": lambda: os.kill(1, signal.SIGCONT),
    }


def needed() -> dict[str, Callable[[], object]]:
    """List what has to work: the node's own fences and its data."""
    return {
        "write its data": lambda: write_file(str(STATE / "probe")),
        "write /tmp": lambda: write_file("/tmp/probe"),  # noqa: S108 -- PrivateTmp
        "Landlock": lambda: call("syscall", LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), CREATE_RULESET_VERSION),
        "limits of a decoding child": decoding_child_limits,
        "loopback": lambda: socket.create_server(("127.0.0.1", 0)).close(),
    }


def outcome(attempt: Callable[[], object]) -> str:
    try:
        attempt()
    except TimeoutError:
        return "ETIMEDOUT"
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, "refused")
    return "done"


def main() -> int:
    host, port = sys.argv[1], int(sys.argv[2])
    sys.stdout.write(
        json.dumps(
            {
                "attempts": {name: outcome(attempt) for name, attempt in attempts(host, port).items()},
                "needed": {name: outcome(attempt) for name, attempt in needed().items()},
            }
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
