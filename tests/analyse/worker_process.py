"""A worker process that stands still in the middle of an item: `worker_process FOLDER BUNDLE view|decision OWNER`."""

import sys
import threading
from dataclasses import replace
from pathlib import Path

import torch

from dcis_node.analyse.worker import work_until
from dcis_node.model.bundle import load_bundle
from dcis_node.model.predict import Ensemble
from tests.analyse.nodes import Node


def stand_still(*_arguments: object, **_options: object) -> None:
    print("in the middle", flush=True)  # noqa: T201 -- the test waits for this line
    threading.Event().wait()


def main(folder: str, bundle_folder: str, where: str, owner: str, now: str) -> None:
    torch.set_num_threads(1)
    bundle = load_bundle(Path(bundle_folder))
    ensemble = Ensemble(bundle, torch.device("cpu"))
    node = Node(Path(folder), bundle, ensemble)
    node.clock.now = float(now)
    bench = replace(node.bench, owner=owner)
    if where == "view":
        ensemble.predict_view = stand_still
    else:
        bench = replace(bench, build=stand_still)
    work_until(bench, threading.Event())


if __name__ == "__main__":
    main(*sys.argv[1:])
