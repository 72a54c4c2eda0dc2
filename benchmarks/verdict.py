"""How a benchmark ends: its figures printed, and an exit code that says whether a bar was missed."""

import json
from collections.abc import Mapping


def end(figures: Mapping[str, object], *, as_json: bool, held: Mapping[str, bool] | None = None) -> int:
    """Print figures, with the bars that were missed, and give the exit code.

    Parameters
    ----------
    held
        Bars by name, and whether each was held; None if `figures` has them as `missed`.
    """
    shown = dict(figures)
    if held is not None:
        shown["missed"] = [name for name, is_held in held.items() if not is_held]
    if as_json:
        print(json.dumps(shown))
    else:
        for name, value in shown.items():
            print(f"{name}: {value}")
    return int(bool(shown["missed"]))
