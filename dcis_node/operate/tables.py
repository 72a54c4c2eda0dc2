"""How status, exams, trace and check look on a terminal."""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dcis_node.operate.findings import Finding, Verdict

COLOURS = {Verdict.OK: "green", Verdict.WARN: "yellow", Verdict.FAIL: "bold red"}


def clock_time(seconds: float | None) -> str:
    """Write Unix seconds as local date and time; "-" for none."""
    return "-" if seconds is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def percent(probability: float | None) -> str:
    """Write a probability for a person; "-" for none."""
    return "-" if probability is None else f"{100 * probability:.0f} %"


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def status_view(status: Mapping[str, Any]) -> RenderableType:
    """Draw what `status` knows."""
    processes = _table("Processes", "process", "pid", "state", "last sign of life", "started")
    for p in status["processes"]:
        state = Text(p["state"], style="green" if p["state"] == "alive" else "bold red")
        age = f"{p['age_seconds']:.0f} s ago"
        processes.add_row(p["process"], str(p["pid"]), state, age, clock_time(p["started_at"]))
    queue = _table("Queues", "queue", "counts")
    for name in ("views", "exams"):
        queue.add_row(name, _counts(status["queues"][name]))
    for destination, counts in status["queues"]["outbox"].items():
        queue.add_row(f"results to {destination}", _counts(counts))
    queue.add_row("instances received", str(status["queues"]["instances"]))
    queue.add_row("same UID, other bytes", str(status["queues"]["conflicts"]))
    head = Text(f"dcis-node {status['version']} {status['aet']} listening on {status['listening'] or '-'}")
    warning = Text("RESEARCH USE ONLY - not for clinical use", style="bold red")
    return Group(head, warning, processes, queue, exams_view(status["exams"], title="Last exams"))


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{value} {name}" for name, value in sorted(counts.items())) or "empty"


def exams_view(exams: Iterable[Mapping[str, Any]], *, title: str = "Exams") -> Table:
    """Draw exams, a line each."""
    columns = ("exam", "last image", "instances", "eligible", "state", "because", "risk", "probability", "results")
    table = _table(title, *columns, "study")
    for exam in exams:
        patient = (exam["report"] or {}).get("patient", {})
        table.add_row(
            str(exam["exam"]),
            clock_time(exam["last_image_at"]),
            str(exam["instances"]),
            str(exam["eligible"]),
            exam["state"],
            exam["failure"] or exam["completeness"],
            patient.get("risk", "-"),
            percent(patient.get("probability")),
            _counts(exam["deliveries"]),
            "\n".join(exam["studies"]),
        )
    return table


def trace_view(exams: Sequence[Mapping[str, Any]]) -> RenderableType:
    """Draw everything about some exams."""
    parts: list[RenderableType] = []
    for exam in exams:
        parts.append(
            Text(f"Exam {exam['exam']}: {exam['state']} {exam['completeness']} {exam['failure']}", style="bold")
        )
        parts.extend(Text(f"  study {study}") for study in exam["studies"])
        parts.append(_instances(exam["instances"]))
        parts.extend(_report(report) for report in exam["reports"])
    return Group(*parts)


def _instances(instances: Iterable[Mapping[str, Any]]) -> Table:
    table = _table("Instances", "instance", "what", "used", "facts and the rule of each", "analysis")
    for i in instances:
        facts = i["facts"]
        what = f"{facts['laterality'] or '?'} {facts['view'] or '?'} {' '.join(facts['modifiers'])}".strip()
        rules = "\n".join(f"{name} = {facts.get(name)}: {rule}" for name, rule in sorted(facts["sources"].items()))
        notes = "".join(f"\nnote: {note}" for note in facts["notes"])
        aside = "".join(f"\nother bytes of {clock_time(c['received_at'])} kept aside" for c in i["conflicts"])
        again = f"\nreceived again {i['duplicates']} x" if i["duplicates"] else ""
        used = "yes" if i["eligible"] and i["analysis"] != "failed" else f"no: {i['reason']}"
        table.add_row(
            i["sop_instance_uid"], f"{what}\n{facts['kind']}", used, rules + notes + aside + again, _analysis(i)
        )
    return table


def _analysis(instance: Mapping[str, Any]) -> str:
    lines = [instance["analysis"]]
    for a in instance["analyses"]:
        lines.append(f"{a.get('source')}: {percent(a.get('probability'))}, {a['seconds']:.1f} s")
        lines.append(f"bundle {a['bundle_sha256'][:12]}")
    return "\n".join(lines)


def _report(report: Mapping[str, Any]) -> Table:
    patient = report["decision"].get("patient", {})
    title = f"Report {report['version']} of {clock_time(report['made_at'])}: {patient.get('risk')}"
    table = _table(f"{title} {percent(patient.get('probability'))}", "result", "modality", "delivery")
    for result in report["results"]:
        lines = []
        for parcel in result["deliveries"]:
            lines.append(f"{parcel['destination']}: {parcel['state']} {clock_time(parcel['sent_at'])}")
            lines.extend(
                f"  {clock_time(a['tried_at'])} {_status(a['status'])} {a['error']}" for a in parcel["attempts"]
            )
        table.add_row(result["sop_instance_uid"], result["modality"], "\n".join(lines) or "no destination")
    return table


def _status(status: int | None) -> str:
    return "no answer" if status is None else f"0x{status:04X}"


def finding_line(finding: Finding) -> Text:
    """Write one finding of the self-test."""
    line = Text(f"{finding.verdict.value:>4}  ", style=COLOURS[finding.verdict])
    line.append(f"{finding.check}: {finding.detail}", style="default")
    return line
