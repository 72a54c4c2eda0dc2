"""A week of hospital load in compressed time, with what goes wrong in a year.

    python -m benchmarks.week --json --plot week.png --scale 0.1       (as root: it mounts a small ext4)

The real node (`dcis-node run`) on a disk of its own gets 400 exams a day (times --scale) for seven days from several
modalities: bursts at clinic hours, views that come later, exams sent twice, incomplete ones, ones with raw images only.
The PACS is away for three hours, the disk is full to its last byte for an hour and a half, the node is restarted once
by SIGTERM and once after SIGKILL of every process. A day takes --day-seconds; retention, backoff and the time until a
delivery is given up are shortened as much. Images are small and the bundle is tiny, so that a small machine keeps up;
what one association and one analysis take is not shortened, so `settle`, `quiet` and `deadline` are not as much either.

Bars: nothing lost (every acknowledged image is in the index, whole or removed by retention and not too early; every
exam answered; every result at the PACS), nothing twice (one report that no other replaces for each exam, no differing
bytes under a UID), the store within its bound at every sample, all queues empty each night, and no process that grows.

The full setting (--scale 1: 2,800 exams) takes 3.5 h on two cores, 2.2 h with --day-seconds 1080; 0.1 takes 21 minutes.
"""

import argparse
import contextlib
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import accounts
from benchmarks.hospital import AET, Acknowledged, Modalities, Parcel, raw_view, view
from benchmarks.machine import machine, made_folder
from benchmarks.recording_pacs import RecordingPacs
from benchmarks.small_disk import small_ext4
from benchmarks.verdict import end
from benchmarks.week_plan import (
    AWAY,
    FULL,
    HOURS,
    KILL,
    RESTART,
    Sending,
    Trouble,
    count_images,
    plan,
    troubles,
)
from benchmarks.week_plot import Sample, draw
from benchmarks.week_samples import MIB, QUEUES, capacity_mib, folder_mib, growth, nights, resident_mib, used_mib
from benchmarks.whole_node import SUPERVISOR, WholeNode
from storage.database import Database
from tests.analyse.tiny import write_tiny_bundle

EXAMS_A_DAY = 400
SECONDS_OF_AN_EXAM = 4.5  # of a day; two cores need 2 to 3
LEAST_DAY_SECONDS = 20.0
# What retention keeps, in days of the week; nothing of an exam has to be here for longer than it and one night more.
IMAGES_DAYS, RESULTS_DAYS = 1.0, 2.0
# On the disk, of one exam: four images; nine results, with outlines, pictures and records (one exam in 25 has a summary
# image of 6 MiB instead, as nothing is outlined in raw images); its rows.
IMAGES_MIB, RESULTS_MIB, ROWS_MIB = 0.45, 0.55, 0.04
EMPTY_MIB = 20.0  # an index without rows, what is kept of the nights, and two summary images more than the mean
RESERVE_MIB = 24
LOOK_SECONDS = 0.1
NIGHT_HOUR = 2.5
# What the clock does at night. The night of a compressed day is none of the wall clock, so the harness asks for it.
NIGHT_WORK = (("sweep",), ("backup",), ("retention",))
SAMPLES_A_DAY = 240
DRAIN_SECONDS = 3600.0
GROWTH_MIB, GROWTH_SHARE = 16.0, 0.10
DATE = "20261123"  # of every study: no two exams are of one patient
DAY_SECONDS = 86400.0

CONFIG = """
[node]
aet = "{aet}"
[storage]
folder = "{data}"
reserve_bytes = {reserve}
[receive]
port = {{port}}
[exam]
settle_seconds = 0.2
quiet_seconds = 2.0
deadline_seconds = 10.0
[analyse]
bundle = "{bundle}"
threads = 1
lease_seconds = 60.0
[deliver]
timeout_seconds = 10.0
backoff_first_seconds = {first}
backoff_most_seconds = {most}
give_up_seconds = {give_up}
commitment_timeout_seconds = {day}
[maintenance]
backup_folder = "{backup}"
[retention]
images_days = {images_days}
results_days = {results_days}
least_days = 0.0
free_bytes = 0
[[destinations]]
name = "pacs"
host = "127.0.0.1"
port = {pacs}
aet = "PACS"
profile = "ohif"
"""


@dataclass(frozen=True)
class Load:
    """How much in how long.

    Parameters
    ----------
    day_seconds
        What a day takes.
    troubles
        What goes wrong. With `FULL` the node's files lie on a small disk of their own, which is filled once.
    """

    days: int
    exams_a_day: int
    day_seconds: float
    seed: int
    troubles: tuple[str, ...] = (RESTART, AWAY, FULL, KILL)

    @property
    def full_disk(self) -> bool:
        """True if the disk is to be filled."""
        return FULL in self.troubles

    @property
    def hour_seconds(self) -> float:
        """Give what an hour takes."""
        return self.day_seconds / HOURS

    @property
    def bound_mib(self) -> float:
        """Give what images, results and index may use at most, if all leave in the night behind their last day.

        That is a day of its own, the days it is kept, and up to a day until the night; rows stay.
        """
        images, results = (min(self.days, days + 2.0) for days in (IMAGES_DAYS, RESULTS_DAYS))
        return self.exams_a_day * (images * IMAGES_MIB + results * RESULTS_MIB + self.days * ROWS_MIB) + EMPTY_MIB

    @property
    def disk_mib(self) -> int:
        """Give the size of the small disk."""
        return round(self.bound_mib * 1.4) + 2 * RESERVE_MIB

    def config(self, folder: Path, data: Path, pacs: int) -> str:
        """Write config.toml, with all times shortened that are not those of work."""
        bundle = write_tiny_bundle(folder / "bundle", threshold=0.3)
        return CONFIG.format(
            aet=AET, data=data, bundle=bundle, pacs=pacs, backup=folder / "backup", day=max(1.0, self.day_seconds),
            reserve=RESERVE_MIB * MIB if self.full_disk else 0, give_up=7 * self.day_seconds,
            images_days=IMAGES_DAYS * self.day_seconds / DAY_SECONDS,
            results_days=RESULTS_DAYS * self.day_seconds / DAY_SECONDS,
            first=max(0.1, self.hour_seconds * 10 / 3600), most=max(1.0, self.hour_seconds / 4),
        )  # fmt: skip


@dataclass(frozen=True)
class UnderWay:
    """Something that goes wrong now; `began` in hours of the week."""

    trouble: Trouble
    began: float
    is_over: Callable[[float], bool]
    end: Callable[[], object]


class Week:
    """The week as it passes.

    Parameters
    ----------
    disk
        Where the node's files lie.
    """

    def __init__(self, load: Load, node: WholeNode, pacs: RecordingPacs, disk: Path) -> None:
        self.load, self.node, self.pacs, self.disk = load, node, pacs, disk
        self.samples: list[Sample] = []
        self.happened: list[Trouble] = []
        self.exit_codes: list[int | None] = []
        self._began = time.monotonic()
        self.nights: list[list[int]] = []
        self._night: threading.Thread | None = None
        self._one_at_a_time = threading.Lock()
        self._next_sample = 0.0

    @property
    def now(self) -> float:
        """Give the hours since the week began."""
        return (time.monotonic() - self._began) / self.load.hour_seconds

    def pass_by(self, sendings: Sequence[Sending], modalities: Modalities, db: Database) -> None:
        """Send what is due, let go wrong what is to, and look, until the last day is over."""
        self._began = time.monotonic()
        left, trouble = list(sendings), list(troubles(self.load.days, self.load.troubles))
        under_way: list[UnderWay] = []
        nights = [day * HOURS + NIGHT_HOUR for day in range(1, self.load.days)]
        while (now := self.now) < self.load.days * HOURS or trouble or under_way:
            while left and left[0].at <= now:
                modalities.send(_parcel(left.pop(0)))
            for one in [one for one in under_way if one.is_over(now)]:
                one.end()
                under_way.remove(one)
                self.happened.append(Trouble(one.trouble.name, one.began, self.now))
            while trouble and trouble[0].at <= now:
                under_way.append(self._begin(trouble.pop(0)))
            while nights and nights[0] <= now:
                nights.pop(0)
                self._night = threading.Thread(target=self._work_at_night)
                self._night.start()
            self.look(modalities, db)
            time.sleep(LOOK_SECONDS)
        if self._night is not None:
            self._night.join()

    def _work_at_night(self) -> None:
        self.nights.append([self.node.command(*words).returncode for words in NIGHT_WORK])

    def _restart(self, name: str) -> None:
        with self._one_at_a_time:
            if name == RESTART:
                self.exit_codes.append(self.node.stop())
            else:
                self.node.kill_all()
            self.node.start()

    def drain(self, modalities: Modalities, db: Database) -> None:
        """Wait until nothing waits; what waits for ever shows in the accounts."""
        until = time.monotonic() + DRAIN_SECONDS
        while time.monotonic() < until:
            waiting = accounts.waiting(db)
            if not modalities.busy and not any(waiting[name] for name in ("views", "exams", "outbox", "unproven")):
                return
            self.look(modalities, db)
            time.sleep(LOOK_SECONDS)

    def look(self, modalities: Modalities, db: Database) -> None:
        """Take a sample if it is time."""
        if self.now < self._next_sample:
            return
        self._next_sample = self.now + HOURS / SAMPLES_A_DAY
        pids = {SUPERVISOR: self.node.pid, **self.node.pids()}
        memory = {name: (pid, mib) for name, pid in pids.items() if (mib := resident_mib(pid))}
        waiting = {**accounts.waiting(db), "modalities": modalities.busy}
        data = self.node.configuration.folder
        self.samples.append(Sample(self.now, waiting, used_mib(self.disk), folder_mib(data), memory))

    def _begin(self, one: Trouble) -> UnderWay:
        at = self.now
        print(f"{one.name} at {at / HOURS:.2f} days", file=sys.stderr)
        if one.name == AWAY:
            self.pacs.stop()
            return UnderWay(one, at, lambda now: now >= one.until, self.pacs.start)
        if one.name == FULL:
            stack = contextlib.ExitStack()
            stack.enter_context(_filled(self.disk))
            return UnderWay(one, at, lambda now: now >= one.until, stack.close)
        # In a thread: meanwhile the others go on.
        restart = threading.Thread(target=self._restart, args=(one.name,))
        restart.start()
        return UnderWay(one, at, lambda _: not restart.is_alive(), restart.join)


def _parcel(sending: Sending) -> Parcel:
    make = raw_view if sending.raw else view
    return Parcel(sending.name, tuple(make(sending.exam, place, date=DATE) for place in sending.places))


@contextlib.contextmanager
def _filled(disk: Path) -> Iterator[None]:
    """Fill a disk to its last byte, and keep it so."""
    stranger = disk / "stranger"
    with stranger.open("wb", buffering=0) as file:
        for size in (MIB, 4096, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(size))
    try:
        yield
    finally:
        stranger.unlink()


def run(folder: Path, load: Load, *, picture: Path | None = None) -> dict[str, object]:
    """Let the week pass, wait until nothing waits, and hold everything together."""
    sendings = plan(days=load.days, exams_a_day=load.exams_a_day, seed=load.seed)
    acknowledged = Acknowledged()
    began = time.monotonic()
    disk_of_its_own: AbstractContextManager[Path] = (
        small_ext4(folder, megabytes=load.disk_mib) if load.full_disk else contextlib.nullcontext(folder)
    )
    with RecordingPacs() as pacs, disk_of_its_own as disk:
        node = WholeNode(folder / "node", load.config(folder, disk / "data", pacs.port))
        week = Week(load, node, pacs, disk)
        try:
            node.start()
            with node.index() as db:
                with Modalities(node.port, folder / "sent", acknowledged, count=4) as modalities:
                    week.pass_by(sendings, modalities, db)
                    week_seconds = time.monotonic() - began
                    week.drain(modalities, db)
                with db.read() as session:
                    exams = range(1, load.days * load.exams_a_day + 1)
                    held = {
                        "images": accounts.of_images(
                            session, node.files, acknowledged.images, keep_seconds=IMAGES_DAYS * load.day_seconds
                        ),
                        "results": accounts.of_results(session, node.files, pacs),
                        "answered": accounts.of_exams(session, pacs, exams),
                        "index_faults": accounts.index_faults(session),
                    }
                held["waiting"] = accounts.waiting(db)
        finally:
            week.exit_codes.append(node.stop())
        capacity = capacity_mib(disk) if load.full_disk else 0.0
    figures = {
        "days": load.days, "exams_a_day": load.exams_a_day, "day_seconds": load.day_seconds, "seed": load.seed,
        "images_planned": count_images(sendings), "seconds": round(time.monotonic() - began, 1),
        "seconds_behind_the_week": round(time.monotonic() - began - week_seconds, 1),
        "answers_of_the_node": acknowledged.answers, **held,
        "troubles": [(one.name, round(one.at / HOURS, 2), round(one.until / HOURS, 2)) for one in week.happened],
        "exit_codes": week.exit_codes, "exit_codes_of_nights": week.nights,
        "longest_queues": {name: max(one.waiting[name] for one in week.samples) for name in QUEUES},
        "queues_empty_by_night": nights(week.samples, load.days),
        "store_mib_at_most": round(max(one.store_mib for one in week.samples), 1),
        "store_mib_bound": round(load.bound_mib, 1), "disk_mib": round(capacity, 1),
        "memory": growth(week.samples), "samples": len(week.samples),
    }  # fmt: skip
    if picture is not None:
        title = (
            f"{load.days} days of {load.exams_a_day} exams, a day in {load.day_seconds:g} s "
            f"(night shaded; {time.strftime('%Y-%m-%d')})"
        )
        draw(picture, week.samples, week.happened, title=title, bound_mib=load.bound_mib, capacity_mib=capacity)
    return figures


def bars(figures: dict) -> dict[str, bool]:
    """Say of each bar whether it was held."""
    images, results, answered = figures["images"], figures["results"], figures["answered"]
    exams = figures["days"] * figures["exams_a_day"]
    growing = [
        name
        for name, one in figures["memory"].items()
        if one["mib_a_day"] * figures["days"] > max(GROWTH_MIB, GROWTH_SHARE * one["mib"])
    ]
    return {
        "every image was taken, and is in the index": images["acknowledged"] == figures["images_planned"]
        and not images["lost"] + images["altered"] + images["removed_too_early"],
        "every exam is answered": answered["states"] == {"reported": exams} and not answered["without_answer"],
        "each exam has exactly one current report": not answered["not_exactly_one_current"],
        "every result is at the PACS": not results["lost"] + results["not_delivered_in_index"],
        "nothing else is there": not results["unknown_to_the_index"],
        "no differing bytes under one UID": not results["uids_with_differing_bytes"] + results["altered"],
        "nothing waits for ever": not any(figures["waiting"].values()),
        "the queues are empty each night": all(figures["queues_empty_by_night"]),
        "the store is within its bound": figures["store_mib_at_most"] <= figures["store_mib_bound"],
        f"memory is flat{': ' + ', '.join(growing) if growing else ''}": not growing,
        "the index is sound": not figures["index_faults"],
        "sweep, backup and retention worked each night": not any(map(any, figures["exit_codes_of_nights"]))
        and len(figures["exit_codes_of_nights"]) == figures["days"] - 1,
        "it left by itself": set(figures["exit_codes"]) == {0},
    }


def main() -> int:
    """Measure, print, and fail if a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--plot", type=Path, default=None, help="draw the week into this PNG")
    parser.add_argument("--folder", type=made_folder, default=None, help="where the data lie; a temporary folder")
    parser.add_argument("--days", type=int, default=7)
    parser.add_argument("--scale", type=float, default=1.0, help=f"of {EXAMS_A_DAY} exams a day")
    parser.add_argument("--day-seconds", type=float, default=0.0, help="what a day takes; 0 = 4.5 s an exam")
    parser.add_argument("--seed", type=int, default=6)
    parser.add_argument("--no-small-disk", action="store_true", help="no disk of its own, and none that is full")
    arguments = parser.parse_args()
    exams = max(1, round(EXAMS_A_DAY * arguments.scale))
    day = arguments.day_seconds or max(LEAST_DAY_SECONDS, SECONDS_OF_AN_EXAM * exams)
    wrong = tuple(name for name in Load.troubles if name != FULL or not arguments.no_small_disk)
    load = Load(arguments.days, exams, day, arguments.seed, wrong)
    with tempfile.TemporaryDirectory(dir=arguments.folder, prefix="week-") as name:
        facts = machine(Path(name))
        figures = run(Path(name), load, picture=arguments.plot)
    figures["machine"] = facts
    return end(figures, as_json=arguments.json, held=bars(figures))


if __name__ == "__main__":
    sys.exit(main())
