"""What the supervisor and the workers say of their own health, for status and metrics."""

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from storage.heartbeat import Beat

CRASH_LOOP = "crash_loop"
REFUSED = "refused"
SUPERVISOR = "supervisor"
# What a node consists of; the retriever too, where sources are named.
ROLES = ("receive", "analyse", "deliver", "clock")
RETRIEVE = "retrieve"


def role_of(process: str) -> str:
    """Give the role of a process by its name, such as `receive-0` or `receive-0.1`."""
    return process.partition("-")[0]


def missing_roles(seen: Sequence[Beat], *, retrieves: bool) -> list[str]:
    """Say in words what nobody does; nothing under a supervisor, which tells of its processes itself.

    A process that ends as it should takes its sign of life with it, so what was stopped is not seen as silent.

    Parameters
    ----------
    retrieves
        Whether sources are named that missing views are to be asked for at.
    """
    names = {beat.process for beat in seen}
    if SUPERVISOR in names:
        return []
    if not names:
        return ["no node runs: nothing is received, analysed or sent"]
    there = {role_of(name) for name in names}
    return [
        f"nobody runs `dcis-node run {role}`"
        for role in (*ROLES, *([RETRIEVE] if retrieves else []))
        if role not in there
    ]


def supervision_status(seen: Sequence[Beat]) -> dict[str, Any]:
    """Say which processes are in a crash loop, how the last reload ended, and where the analysis computes.

    Returns
    -------
    dict
        `children` by name: `state`, `restarts`, `silent_ends`, `last_exit`, `reason`, `next_try_at` (Unix seconds);
        `reload`: `state` ("", `done` or `refused`), `text`, `at`, `roles`; `devices` by process: `device`, and since
        when and why it is not the one that was asked for (`fault_since` None: it is). `faults`: what a person has to
        look at, in words.
    """
    told = {beat.process: json.loads(beat.detail) for beat in seen if beat.detail}
    supervisor = told.get("supervisor", {})
    children, reload = supervisor.get("children", {}), supervisor.get("reload", {})
    devices = {name: _device(detail) for name, detail in told.items() if "device" in detail}
    return {"children": children, "reload": reload, "devices": devices, "faults": _faults(children, reload, devices)}


def _device(detail: Mapping[str, Any]) -> dict[str, Any]:
    return {name: detail[name] for name in ("device", "fault_since", "fault")}


def _faults(
    children: Mapping[str, Mapping[str, Any]], reload: Mapping[str, Any], devices: Mapping[str, Mapping[str, Any]]
) -> list[str]:
    found = [
        f"{name} is in a crash loop ({child['restarts']} restarts): {child['last_exit']} {child['reason']}".rstrip()
        for name, child in sorted(children.items())
        if child["state"] == CRASH_LOOP
    ]
    if reload.get("state") == REFUSED:
        found.append(f"the last reload was refused: {reload['text']}")
    found += [
        f"{name} computes on {device['device']}, its device has failed since {_moment(device['fault_since'])}: "
        f"{device['fault']}"
        for name, device in sorted(devices.items())
        if device["fault_since"] is not None
    ]
    return found


def _moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))
