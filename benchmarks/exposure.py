"""What `systemd-analyze security` says of our units, and of Debian's orthanc.service in the same run.

    python -m benchmarks.exposure --json       (Debian: systemd, orthanc)

0 is nothing, 10 is everything. Bars: 1.0 for a service on the processor, 1.3 with a GPU. The score counts directives of
a unit; whether they hold on a running node is `benchmarks/sandbox.py`.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks.verdict import end
from tests.systemd.units import CPU_BAR, GPU_BAR, UNITS, analyse, exposure, lay_out, services, weak_points

ORTHANC = Path("/lib/systemd/system/orthanc.service")
WITH_GPU = ("dcis-node.service", "dcis-node@analyse.service", "dcis-train@hospital.service")


def main() -> int:
    """Measure, print, and fail if a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    asked = parser.parse_args()
    gpu = (UNITS / "dcis-node.service.d/gpu.conf.example").read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as plain, tempfile.TemporaryDirectory() as other:
        on_cpu = lay_out(Path(plain))
        with_gpu = lay_out(Path(other), more=dict.fromkeys(WITH_GPU, gpu))
        scores = {name: exposure(on_cpu / name) for name in services()}
        scores_gpu = {name: exposure(with_gpu / name) for name in WITH_GPU}
        left = [point["name"] for point in weak_points(on_cpu / "dcis-node.service")]
    figures = {
        "systemd": analyse("--version").stdout.splitlines()[0],
        "processor": scores,
        "gpu": scores_gpu,
        "left in dcis-node.service": left,
        "orthanc.service": exposure(ORTHANC),
    }
    held = {
        f"at most {CPU_BAR} on the processor": max(scores.values()) <= CPU_BAR,
        f"at most {GPU_BAR} with a GPU": max(scores_gpu.values()) <= GPU_BAR,
    }
    return end(figures, as_json=asked.json, held=held)


if __name__ == "__main__":
    sys.exit(main())
