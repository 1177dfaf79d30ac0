from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import entry_points

from switchgear_s3 import BACKEND, register_backends


def test_the_entry_point_leads_here() -> None:
    """The plugin is found by its entry point, and the module that it names has the hook."""
    found = [entry for entry in entry_points(group="switchgear") if entry.name == "s3"]
    assert [entry.value for entry in found] == ["switchgear_s3"]
    assert register_backends() == [BACKEND]


def test_importing_it_loads_no_sdk() -> None:
    """Listing plugins costs no SDK's import, which for this one is most of a second."""
    code = "import json, sys, switchgear_s3; print(json.dumps([m.partition('.')[0] for m in sys.modules]))"
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert not {"aioboto3", "boto3", "aiobotocore", "botocore", "aiohttp", "wrapt"} & set(json.loads(out))


def test_metrics_are_declared_once() -> None:
    """Every name is there once; labels are bounded (a direction), never a bucket or key."""
    names = [metric.name for metric in BACKEND.metrics]
    assert len(names) == len(set(names))
    assert {label for metric in BACKEND.metrics for label in metric.labels} == {"direction"}
