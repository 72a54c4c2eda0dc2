"""How the state of deliveries looks on a terminal."""

import time
from collections.abc import Mapping
from typing import Any

from rich.text import Text


def delivery_lines(deliveries: Mapping[str, Any]) -> Text:
    """Write which destinations do not answer, what is late and what was given up; nothing where all is well."""
    lines = Text()
    for one in deliveries["breakers"]:
        if one["state"] == "open":
            text = f"{one['destination']} DOES NOT ANSWER since {_clock(one['changed_at'])}: {one['reason']}; "
            text += f"asked again at {_clock(one['next_probe_at'])}\n"
            lines.append(text, style="bold red" if one["alarm"] else "yellow")
        else:
            lines.append(f"{one['destination']} has failed {one['failures']} x: {one['reason']}\n", style="yellow")
    for name, late in deliveries["stuck"].items():
        text = f"LATE: {late['results']:.0f} results wait for {name}, the oldest since {_clock(late['since'])}\n"
        lines.append(text, style="bold red")
    for one in deliveries["dead"]:
        text = f"GIVEN UP: {one['results']} results for {one['destination']}: {one['reason']}; see `requeue`\n"
        lines.append(text, style="bold red")
    return lines


def _clock(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))
