"""The self-test behind `dcis-node check`: each part is tried, not looked at."""

import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from pydicom.uid import UID, Comprehensive3DSRStorage

from dcis_node.analyse.decode import decode_pixels
from dcis_node.config import Configuration
from dcis_node.deliver.acceptance import ask_acceptance
from dcis_node.deliver.outcome import PeerAddress
from dcis_node.errors import DcisNodeError, OlderSchemaError
from dcis_node.model.device import choose_device
from dcis_node.operate.audit.check import check_audit
from dcis_node.operate.bundles import bundle_of
from dcis_node.operate.destination_check import check_own_certificate
from dcis_node.operate.findings import Finding, Verdict
from dcis_node.operate.listener_check import check_certificate, check_listeners
from dcis_node.operate.probes import STREAMS, expected, probe_file
from dcis_node.operate.proofs import check_offers, check_reports
from dcis_node.operate.sending import peer_of, route_to
from dcis_node.operate.site import destinations_of
from dcis_node.operate.sources import check_sources
from dcis_node.operate.web_check import check_web
from dcis_node.results.kinds import SOP_CLASS_UIDS
from dcis_node.results.profiles import Destination
from storage.backup import backups, refuse_folder
from storage.database import check_location, open_database
from storage.engines import sqlite_file
from storage.registry import Registry
from storage.reports import last_judged_by
from storage.space import shortage, space_of

# A four-view exam is 30-150 MB as received; below this a busy day fills the disk.
LOW_DISK_BYTES = 20 * 1024**3


def examine(configuration: Configuration) -> Iterator[Finding]:
    """Try every part of the node that this configuration describes, one finding at a time."""
    for check in (
        _folder,
        _index,
        _backups,
        _decoders,
        _bundle,
        _device,
        _certificate,
        _listener,
        _sources,
        _destinations,
        _audit,
    ):
        yield from _guarded(check, configuration)


def _guarded(check: Callable[[Configuration], Iterator[Finding]], configuration: Configuration) -> Iterator[Finding]:
    name = check.__name__.removeprefix("_")
    try:
        yield from check(configuration)
    except DcisNodeError as error:
        yield Finding(name, Verdict.FAIL, str(error))
    except OSError as error:
        yield Finding(name, Verdict.FAIL, f"{type(error).__name__}: {error.strerror}")


def _folder(configuration: Configuration) -> Iterator[Finding]:
    folder = configuration.folder
    there = folder if folder.exists() else next(parent for parent in folder.parents if parent.exists())
    check_location(there)
    with tempfile.NamedTemporaryFile(dir=there):
        pass
    space, reserve = space_of(there), configuration.storage.reserve_bytes
    detail = f"{folder} can be written, {space.free_bytes / 1024**3:.0f} GiB free"
    if short := shortage(space, reserve):
        yield Finding("folder", Verdict.FAIL, f"{detail}; images are refused: {short} (storage.reserve_bytes)")
        return
    low = space.free_bytes < max(LOW_DISK_BYTES, 2 * reserve)
    yield Finding("folder", Verdict.WARN if low else Verdict.OK, detail)


def _index(configuration: Configuration) -> Iterator[Finding]:
    url = configuration.index_url
    if url.startswith("sqlite:///") and not Path(url.removeprefix("sqlite:///")).exists():
        yield Finding("index", Verdict.OK, f"not there yet; made at the first start (SQLite {sqlite3.sqlite_version})")
        return
    try:
        db = open_database(url)
    except OlderSchemaError as error:  # at an upgrade, before the first start
        yield Finding("index", Verdict.WARN, str(error))
        return
    db.close()
    kind = "PostgreSQL" if sqlite_file(url) is None else f"SQLite {sqlite3.sqlite_version}"
    yield Finding("index", Verdict.OK, f"opens, schema fits ({kind})")


def _backups(configuration: Configuration) -> Iterator[Finding]:
    if sqlite_file(configuration.index_url) is None:
        yield Finding("backups", Verdict.WARN, "a PostgreSQL index is not backed up by the node: use pg_dump")
        return
    folder = configuration.backup_folder
    refuse_folder(folder, configuration.folder / "store")
    newest = next(iter(backups(folder)), None)
    detail = f"{folder}: {f'the newest is {newest.name}' if newest else 'none yet'}"
    if _device_of(folder) == _device_of(configuration.folder):
        yield Finding("backups", Verdict.WARN, f"{detail}; ON THE SAME DISK as the data (maintenance.backup_folder)")
    else:
        yield Finding("backups", Verdict.OK, detail)


def _device_of(folder: Path) -> int:
    """Name the disk that holds a folder, or will once it is made."""
    return next(there for there in (folder, *folder.parents) if there.exists()).stat().st_dev


def _decoders(configuration: Configuration) -> Iterator[Finding]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "probe"
        for name in STREAMS:
            path.write_bytes(probe_file(name))
            try:
                pixels = decode_pixels(path, configuration.analyse, scratch=Path(folder))
            except DcisNodeError as error:
                yield Finding(f"decoder {name}", Verdict.FAIL, str(error))
                continue
            same = np.array_equal(pixels, expected())
            verdict = Verdict.OK if same else Verdict.FAIL
            yield Finding(f"decoder {name}", verdict, "decodes exactly" if same else "decodes to other values")


def _bundle(configuration: Configuration) -> Iterator[Finding]:
    bundle = bundle_of(configuration, last_used=_last_used(configuration))
    detail = f"{bundle.name} {bundle.version}, scenario {bundle.scenario}, sha256 {bundle.sha256}"
    if configuration.takes_registry:
        detail += f" ({_in_registry(configuration)})"
    if bundle.synthetic:
        yield Finding("bundle", Verdict.WARN, f"{detail}: SYNTHETIC, its figures have no clinical meaning")
    else:
        yield Finding("bundle", Verdict.OK, detail)


def _last_used(configuration: Configuration) -> str:
    try:
        db = open_database(configuration.index_url)
    except DcisNodeError:  # not there yet, or the finding of its own says what is wrong with it
        return ""
    try:
        with db.read() as session:
            return last_judged_by(session)
    finally:
        db.close()


def _in_registry(configuration: Configuration) -> str:
    active = Registry(configuration.registry_folder).active()
    if active is None:
        return f"the shipped one: nothing was promoted in {configuration.registry_folder}"
    return f"active in {configuration.registry_folder} since {active.since}"


def _device(configuration: Configuration) -> Iterator[Finding]:
    device = choose_device(configuration.analyse.device)
    yield Finding("device", Verdict.OK, f"analyse.device = {configuration.analyse.device} gives {device}")


def _certificate(configuration: Configuration) -> Iterator[Finding]:
    yield from check_certificate(configuration)


def _listener(configuration: Configuration) -> Iterator[Finding]:
    yield from check_listeners(configuration)


def _audit(configuration: Configuration) -> Iterator[Finding]:
    yield from check_audit(configuration)


def _sources(configuration: Configuration) -> Iterator[Finding]:
    yield from check_sources(configuration)


def _destinations(configuration: Configuration) -> Iterator[Finding]:
    if not configuration.destinations:
        yield Finding("destinations", Verdict.WARN, "none: results are kept and sent nowhere")
    for settings, destination in zip(configuration.destinations, destinations_of(configuration), strict=True):
        if settings.kind == "dicomweb":
            yield from check_web(settings, route_to(configuration, settings))
            yield from check_own_certificate(configuration, settings)
            continue
        answer = route_to(configuration, settings).probe()
        verdict = Verdict.OK if answer.ok else (Verdict.WARN if answer.is_there else Verdict.FAIL)
        yield Finding(f"destination {destination.name}", verdict, f"C-ECHO: {answer.text}")
        yield from check_own_certificate(configuration, settings)
        if answer.is_there:
            peer = peer_of(configuration, settings)
            yield _profile(destination, peer)
            yield from check_offers(settings, peer)
        yield from check_reports(configuration, settings)


def _profile(destination: Destination, peer: PeerAddress) -> Finding:
    """Hold the objects of a profile to what the peer takes: what it refuses would wait in the outbox for ever."""
    check = f"profile of {destination.name}"
    kinds = {str(SOP_CLASS_UIDS[kind]): kind for kind in sorted(destination.every_kind)}
    acceptance = ask_acceptance(peer, kinds)
    if acceptance.failure:
        return Finding(check, Verdict.FAIL, acceptance.failure)
    if not acceptance.refused:
        return Finding(check, Verdict.OK, f"{destination.profile}: takes all {len(kinds)} kinds of objects")
    refused = sorted(acceptance.refused, key=list(kinds).index)
    names = ", ".join(UID(uid).name.removesuffix(" Storage") for uid in refused)
    detail = f"{destination.name}: does not take {names}, which profile {destination.profile} sends: choose another"
    switch = str(Comprehensive3DSRStorage) in refused
    advice = ' (or measurement_report = "comprehensive")' if switch else ""
    return Finding(check, Verdict.FAIL, f"{detail} profile{advice} or tell the PACS to take it")
