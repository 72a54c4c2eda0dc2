"""No pickle anywhere; and what would be one is found."""

import pytest

from tests.supply.__main__ import PROJECT
from tests.supply.pickles import FOLDERS, findings, in_source

PLANTED = [
    "import pickle",
    "import cPickle",
    "from pickle import loads as read",
    "import joblib",
    "from joblib import load",
    "import dill as d",
    "import shelve",
    "import marshal",
    "import yaml",
    "import cloudpickle.cloudpickle",
    "__import__('pickle')",
    "import importlib\nimportlib.import_module('pickle')",
    "import torch\ntorch.load('weights.pt', weights_only=True)",
    "import torch\ntorch.save({}, 'weights.pt')",
    "from torch import load",
    "import torch\ntorch.jit.load('model.pt')",
    "import numpy as np\nnp.load('a.npy')",
    "import numpy as np\nnp.load('a.npy', allow_pickle=True)",
    "import numpy\nnumpy.savez('a.npz', x=1)",
    "import numpy as np\nnp.lib.format.read_array(file, allow_pickle=True)",
    "import torch.distributed as dist\ndist.all_gather_object(out, value)",
    "table.to_pickle('a')",
    "from multiprocessing import get_context",
    "from concurrent.futures import ProcessPoolExecutor",
    "from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore",
    "class Exam:\n    def __reduce__(self):\n        return (print, ())",
]
HARMLESS = [
    "import numpy as np\nnp.load('a.npy', allow_pickle=False)",
    "import json\njson.load(file)",
    "from safetensors.torch import load_file",
    "from concurrent.futures import ThreadPoolExecutor",
    "from apscheduler.jobstores.memory import MemoryJobStore",
    "from apscheduler.jobstores.base import JobLookupError",
    "import torch\nmodel.load_state_dict(state)",
]


def test_nothing_of_ours_pickles():
    assert all((PROJECT / folder).is_dir() for folder in FOLDERS)
    assert findings(PROJECT) == []


@pytest.mark.parametrize("text", PLANTED)
def test_a_pickle_is_found(text):
    assert list(in_source(text))


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_no_pickle_is_let_alone(text):
    assert list(in_source(text)) == []


def test_training_may_start_processes_of_its_own_and_still_not_pickle():
    text = "import multiprocessing\nfrom concurrent.futures import ProcessPoolExecutor"
    assert list(in_source(text, may_between=True)) == []
    assert list(in_source("import pickle", may_between=True))


def test_a_planted_module_is_named_with_its_line(tmp_path):
    (tmp_path / "storage").mkdir()
    (tmp_path / "storage" / "cache.py").write_text("import json\nimport pickle\n", encoding="utf-8")
    (found,) = findings(tmp_path, ("storage",))
    assert (found.path, found.line, found.what) == ("storage/cache.py", 2, "import pickle")
