"""An exam through a node that runs as a service: sent by C-STORE, its results taken by a stand-in PACS.

python -m benchmarks.sandbox_exam CONFIG PACS_PORT SEED    (as the node's user, beside the node)
"""

import json
import sys
import time
from collections import Counter
from pathlib import Path

from dcis_node.config import load_configuration
from dcis_node.deliver.outcome import PeerAddress
from dcis_node.operate.sending import send_folder
from dcis_node.phantom.dicom import exam_datasets
from dcis_node.phantom.exam import generate_exam
from storage.database import open_database
from storage.files import FileStore
from storage.overview import trace
from tests.peers import StoragePeer, listens, wait_until
from tests.whole.nodes import RunningNode

# An exam takes half a minute; on a machine that does much else, ten times that.
PATIENCE_SECONDS = 600.0


def make_exam(folder: Path, *, seed: int) -> str:
    """Write the four views of a synthetic exam; give its Study Instance UID."""
    folder.mkdir(parents=True)
    datasets = exam_datasets(
        generate_exam(seed), patient_id=f"PHANTOM-{seed}", study_date="20240101", study_time="120000"
    )
    for number, dataset in enumerate(datasets):
        dataset.save_as(folder / f"{number}.dcm", enforce_file_format=True)
    return str(datasets[0].StudyInstanceUID)


def answered(node: RunningNode, study: str) -> bool:
    """Tell whether the exam has its answer and no result of it is on its way any more."""
    with node.db.read() as session:
        exams = trace(session, study)
    return bool(exams) and exams[0]["state"] == "reported" and not {"due", "leased"} & set(exams[0]["deliveries"])


def main() -> int:
    config, pacs_port, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    configuration = load_configuration(config)
    port = configuration.receive.port
    folder = Path("/tmp/exams") / str(seed)  # noqa: S108 -- in a container of its own
    study = make_exam(folder, seed=seed)
    wait_until(lambda: listens(port), "the node listens", seconds=120)
    db = open_database(configuration.index_url)
    node = RunningNode(port, config, folder, db, FileStore(configuration.folder / "store"), None)  # type: ignore[arg-type]
    with StoragePeer(port=pacs_port) as pacs:
        lines = send_folder(folder, PeerAddress(host="127.0.0.1", port=port, aet="DCIS_NODE", calling_aet="PACS"))
        sent_at = time.monotonic()
        wait_until(lambda: answered(node, study), "the exam is answered", seconds=PATIENCE_SECONDS)
        exam = node.trace(study)
        seconds = time.monotonic() - sent_at
        came = [received.sop_instance_uid for received in pacs.received]
    made = [result["sop_instance_uid"] for report in exam["reports"] for result in report["results"]]
    report = exam["reports"][-1]
    sys.stdout.write(
        json.dumps(
            {
                "images_sent": sum(line.stored for line in lines),
                "views_analysed": sum(view["eligible"] for view in report["views"]),
                "completeness": exam["completeness"],
                "results_made": len(made),
                "results_arrived_once": sum(count == 1 for uid, count in Counter(came).items() if uid in set(made)),
                "results_arrived": len(came),
                "seconds_after_last_image": round(seconds, 1),
            }
        )
    )
    db.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
