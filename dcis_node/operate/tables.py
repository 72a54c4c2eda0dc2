"""How status, exams, trace and check look on a terminal."""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dcis_node.operate.delivery_lines import delivery_lines
from dcis_node.operate.findings import Finding, Verdict

# What became of a request for commitment that says nothing of an object.
FATES = {
    "asked": "no report yet",
    "expired": "no report in time",
    "refused": "refused",
    "reported": "the report leaves it out",
}
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
        open_requests = status["queues"]["proofs"].get(destination, {}).get("open_requests", 0)
        asked = f"; {open_requests} open requests for commitment" if open_requests else ""
        queue.add_row(f"results to {destination}", _counts(counts) + asked)
    if status["queues"]["retrievals"]:
        queue.add_row("missing views and priors asked for", _counts(status["queues"]["retrievals"]))
    queue.add_row("instances received", str(status["queues"]["instances"]))
    queue.add_row("same UID, other bytes", str(status["queues"]["conflicts"]))
    head = Text(f"dcis-node {status['version']} {status['aet']} listening on {status['listening'] or '-'}")
    if status["tls"]["configured"]:
        head.append_text(_tls_lines(status["tls"]))
    warning = Text("RESEARCH USE ONLY - not for clinical use", style="bold red")
    return Group(
        head,
        warning,
        _disk_line(status["disk"]),
        _audit_line(status["audit"]),
        _bundle_lines(status["bundle"]),
        _supervision_lines(status["supervision"]),
        processes,
        queue,
        delivery_lines(status["deliveries"]),
        _maintenance_lines(status["maintenance"], status["index"]),
        _jobs_table(status["jobs"]),
        _exams_table(status["exams"], title="Last exams"),
        _waiting_line(status["waiting"]),
        _failure_lines(status["failures"]),
    )


def _tls_lines(tls: Mapping[str, Any]) -> Text:
    """Write where TLS is spoken and until when our certificate holds, in red what is wrong with it."""
    lines = Text(f", with TLS on {tls['listening'] or '-'}")
    if tls["not_after"] is not None:
        style = "yellow" if tls["expires_soon"] else ""
        until = f"{clock_time(tls['not_after'])} ({tls['days_left']:.0f} days)"
        lines.append(f"\ncertificate: {tls['subject'] or tls['sha256']}, holds until {until}", style=style)
    if tls["fault"]:
        lines.append(f"\nCERTIFICATE: {tls['fault']}", style="bold red")
    return lines


def _disk_line(disk: Mapping[str, Any]) -> Text:
    """Write what is free, and in red that images are refused."""
    free, reserve = disk["free_bytes"] / 1e9, disk["reserve_bytes"] / 1e9
    line = Text(f"disk: {free:.1f} GB free, {reserve:.1f} GB of it stay free")
    if volumes := disk["volumes"]:
        sorts = ("image", "result", "backup")
        line.append("; " + ", ".join(f"{sort}s {volumes[f'{sort}_bytes'] / 1e9:.1f} GB" for sort in sorts))
    if disk["refusing"]:
        line.append(f"\nIMAGES ARE REFUSED: {disk['refusing']}", style="bold red")
    return line


def _maintenance_lines(works: Iterable[Mapping[str, Any]], index: Mapping[str, Any]) -> Text:
    """Write what the index is, and when the work of the night was done last, in red what is wrong with it."""
    size = "" if index["size_bytes"] is None else f", {index['size_bytes'] / 1e6:.1f} MB"
    lines = Text(f"index: {index['kind']} {index['version']} {index['journal_mode']}".rstrip() + size)
    for work in works:
        state = "ok" if work["ok"] else "FAILED: a person has to look"
        state += ", OVERDUE" if work["overdue"] else ""
        lines.append(f"\n{work['work']}: ")
        good = work["ok"] and not work["overdue"]
        said = state if work["finished_at"] is not None or not good else "not yet"
        lines.append(f"{said}, last {clock_time(work['finished_at'])}", style="" if good else "bold red")
        if not work["ok"] and (cause := _cause(work["detail"])):
            lines.append(f"\n  {cause}", style="bold red")
        if postponed := work["detail"].get("postponed"):
            lines.append(f"\n  {postponed}", style="yellow")
    return lines


def _cause(detail: Mapping[str, Any]) -> str:
    """Say why a nightly work failed: its error, or what it found."""
    if error := detail.get("fault") or detail.get("error"):
        return str(error)
    counts = {**detail, **(detail["files"] if isinstance(detail.get("files"), dict) else {})}
    found = (f"{counts.get(f'{sort}_count', 0)} files {sort}" for sort in ("missing", "damaged", "set_aside"))
    told = ", ".join(text for text in found if not text.startswith("0 "))
    return f"{told}; the log names them: event=store_fault" if told else ""


def _jobs_table(jobs: Mapping[str, Mapping[str, Any]]) -> Table:
    """Draw the jobs of the clock, in red what is wrong with one."""
    table = _table("Jobs", "job", "state", "last start", "seconds", "next", "faults")
    for name, job in jobs.items():
        said = job["error"] or ("hangs" if job["hangs"] else "LATE" if job["late"] else "")
        state = Text(said or ("runs" if job["running"] else "ok"), style="" if job["ok"] else "bold red")
        took = "-" if job["seconds"] is None else f"{job['seconds']:.1f}"
        faults = ", ".join(f"{count} {fault}" for fault, count in job["faults"].items()) or "none"
        table.add_row(name, state, clock_time(job["started_at"]), took, clock_time(job["next_at"]), faults)
    return table


def _audit_line(audit: Mapping[str, Any]) -> Text:
    """Write where the audit trail goes, and in red that it does not get there."""
    if not audit["repository"]:
        return Text(f"audit trail: kept here, {audit['kept_bytes'] / 1e6:.1f} MB")
    line = Text(
        f"audit trail: {audit['repository']}, last taken {clock_time(audit['sent_at'])}, {audit['waiting']} wait"
    )
    if audit["failure"]:
        style = "bold red" if audit["alarm"] else "yellow"
        line.append(f"\nAUDIT: {audit['failure']} ({clock_time(audit['failed_at'])})", style=style)
    return line


def _bundle_lines(bundle: Mapping[str, Any]) -> Text:
    """Write which model judges, and in red why it is not the one that should."""
    used = [f"{b['name']} {b['version']} sha256 {b['sha256']}{_synthetic(b)}" for b in bundle["in_use"]]
    lines = Text(f"model ({bundle['source']}): {'; '.join(used) or '-'}")
    if bundle["active"]:
        lines.append(f"\nactive in the registry: {bundle['active']} since {bundle['since']}")
    if bundle["refused"]:
        lines.append(f"\nREFUSED: {bundle['refused']}", style="bold red")
    return lines


def _supervision_lines(supervision: Mapping[str, Any]) -> Text:
    """Write where the analysis computes, and in red what the supervisor cannot heal alone."""
    lines = Text()
    for name, device in sorted(supervision["devices"].items()):
        lines.append(f"{name} computes on {device['device']}\n")
    for fault in (*supervision["missing"], *supervision["faults"]):
        lines.append(f"{fault}\n", style="bold red")
    return lines


def _synthetic(bundle: Mapping[str, Any]) -> str:
    return " SYNTHETIC" if bundle["synthetic"] else ""


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{value} {name}" for name, value in sorted(counts.items())) or "empty"


def _waiting_line(waiting: Mapping[str, Any]) -> Text:
    """Write in red that exams have waited too long for their answer."""
    if not waiting["late"]:
        return Text()
    told = f"{waiting['late']} exams have waited too long for their answer, the oldest since "
    return Text(f"{told}{clock_time(waiting['since'])}: is the analysis at work? The log says", style="bold red")


def _failure_lines(exams: Iterable[Mapping[str, Any]]) -> Text:
    """Write in red at which exams a person has to look, and why."""
    lines = Text()
    for exam in exams:
        became = "answered without its analysis" if exam["state"] == "reported" else "not answered"
        lines.append(f"exam {exam['exam']}: {became}: {exam['failure']}\n", style="bold red")
    return lines


def exams_view(exams: Sequence[Mapping[str, Any]]) -> RenderableType:
    """Draw exams, a line each, and below why some of them could not be decided."""
    failures = [f"exam {exam['exam']}: {exam['failure']}{_dismissed(exam)}" for exam in exams if exam["failure"]]
    return Group(_exams_table(exams, title="Exams"), Text("\n".join(failures), style="bold red"))


def _dismissed(exam: Mapping[str, Any]) -> str:
    return f" (dismissed {clock_time(exam['dismissed_at'])})" if exam["dismissed_at"] else ""


def _exams_table(exams: Iterable[Mapping[str, Any]], *, title: str) -> Table:
    """Draw exams, a line each; the study is cut last where the terminal is narrow."""
    table = _table(title, "exam", "last image", "used", "state", "risk", "prob.", "results", "study")
    for column in table.columns[:-1]:
        column.no_wrap = True
    for exam in exams:
        patient = (exam["report"] or {}).get("patient", {})
        table.add_row(
            str(exam["exam"]),
            clock_time(exam["last_image_at"])[5:16],
            f"{exam['eligible']}/{exam['instances']}",
            exam["state"],
            patient.get("risk", "-"),
            percent(patient.get("probability")),
            _counts(exam["deliveries"]),
            "\n".join(exam["studies"]),
        )
    return table


def trace_view(exams: Sequence[Mapping[str, Any]]) -> Text:
    """Write everything about some exams, line by line, so that it can be searched and sent on."""
    lines: list[str] = []
    for exam in exams:
        because = exam["completeness"]
        lines.append(f"exam {exam['exam']}: {exam['state']}{f' ({because})' if because else ''}")
        lines += [f"  FAILED: {exam['failure']}"] if exam["failure"] else []
        lines += [f"  its failure was dismissed {clock_time(exam['dismissed_at'])}"] if exam["dismissed_at"] else []
        lines += [f"  study {study}" for study in exam["studies"]]
        for instance in exam["instances"]:
            lines += _instance_lines(instance)
        lines += [_retrieval_line(asked) for asked in exam["retrievals"]]
        for report in exam["reports"]:
            lines += _report_lines(report)
    return Text("\n".join(lines))


def _retrieval_line(asked: Mapping[str, Any]) -> str:
    told = f": {asked['text']}" if asked["text"] else ""
    why = f"{asked['missing']} missing" if asked["missing"] else asked["purpose"]
    return (
        f"  {why}, asked {asked['source']} at {clock_time(asked['asked_at'])}: {asked['state']}, "
        f"{asked['attempts']} tries, {asked['found']} images found, {asked['moved']} came{told}"
    )


def _instance_lines(instance: Mapping[str, Any]) -> list[str]:
    facts = instance["facts"]
    name = " ".join((facts["laterality"] or "?", facts["view"] or "?", *facts["modifiers"]))
    used = instance["eligible"] and instance["analysis"] != "failed"
    lines = [
        f"  {facts['kind']} {name}: {'used' if used else 'not used: ' + instance['reason']}",
        f"    instance {instance['sop_instance_uid']}",
        f"    received {clock_time(instance['received_at'])}, {instance['size_bytes']} bytes, {instance['analysis']}",
    ]
    if instance["removed_at"] is not None:
        lines.append(f"    left this node {clock_time(instance['removed_at'])} ([retention])")
    if instance["duplicates"]:
        lines.append(f"    received again, the same bytes: {instance['duplicates']} x")
    lines += [f"    kept aside: other bytes of {clock_time(c['received_at'])}" for c in instance["conflicts"]]
    lines += [f"    {fact} = {_plain(facts.get(fact))}  by {rule}" for fact, rule in sorted(facts["sources"].items())]
    lines += [f"    note: {note}" for note in facts["notes"]]
    for a in instance["analyses"]:
        figure = f"lesion {a.get('source')}, probability of high risk {percent(a.get('probability'))}"
        lines.append(f"    analysis: {figure}, {a['seconds']:.1f} s, bundle {a['bundle_sha256'][:12]}")
    return lines


def _plain(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _report_lines(report: Mapping[str, Any]) -> list[str]:
    patient = report["decision"].get("patient", {})
    said = f"{patient.get('risk')} {percent(patient.get('probability'))}, bundle {report['bundle_sha256'][:12]}"
    lines = [f"  report {report['version']} of {clock_time(report['made_at'])}: {said}"]
    for result in report["results"]:
        lines.append(f"    {result['modality']} {result['kind']} {result['sop_instance_uid']}")
        for parcel in result["deliveries"]:
            at = parcel["dismissed_at" if parcel["state"] == "dismissed" else "sent_at"]
            lines.append(f"      to {parcel['destination']}: {parcel['state']} {clock_time(at)}")
            tries = ((a["tried_at"], a["status"], a["error"]) for a in parcel["attempts"])
            lines += [f"        {clock_time(at)} {_status(status)} {error}".rstrip() for at, status, error in tries]
            lines += proof_lines(parcel)
        if not result["deliveries"]:
            lines.append("      no destination")
    return lines


def proof_lines(parcel: Mapping[str, Any]) -> list[str]:
    """Write how one delivery was proven, or why not; nothing where nothing is to be proven."""
    lines = [
        f"        {clock_time(one['asked_at'])} asked for commitment: {one['outcome'] or FATES[one['state']]}"
        + ("" if one["reason"] is None else f" 0x{one['reason']:04X}")
        for one in parcel["commitments"]
    ]
    if parcel["state"] == "proven":
        return [*lines, f"        proven by {parcel['proven_by']} {clock_time(parcel['proven_at'])}"]
    if parcel["proof_error"]:
        lines.append(f"        not proven: {parcel['proof_error']}")
    if parcel["proof_due_at"] is not None:
        lines.append(f"        asked after again {clock_time(parcel['proof_due_at'])}")
    return lines


def _status(status: int | None) -> str:
    return "no answer" if status is None else f"0x{status:04X}"


def preview_view(preview: Mapping[str, Any]) -> Text:
    """Write what a preview holds: each object, and what the profile's viewer does with it."""
    lines = [f"exam {preview['exam']}, report {preview['report']}, profile {preview['profile']}"]
    for sent in preview["objects"]:
        name = f"{sent['series_number']} {sent['series_description']} ({sent['name']}, {sent['size_bytes']} bytes)"
        lines.append(f"  {name}: {sent['viewer']}{'; built for this preview' if sent['built_again'] else ''}")
    return Text("\n".join([*lines, *preview["notes"], f"picture: {preview['out']}"]))


def finding_line(finding: Finding) -> Text:
    """Write one finding of the self-test."""
    line = Text(f"{finding.verdict.value:>4}  ", style=COLOURS[finding.verdict])
    line.append(f"{finding.check}: {finding.detail}", style="default")
    return line
