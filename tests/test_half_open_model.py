"""The half-open protocol, checked by spin in every order of its steps: tests/model/half_open.pml says what of."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

MODEL = Path(__file__).parent / "model/half_open.pml"

pytestmark = [
    pytest.mark.timeout(300),  # half a million states, on a machine that does other things too
    pytest.mark.skipif(
        shutil.which("spin") is None or shutil.which("cc") is None,
        reason="needs spin and a C compiler (on Debian: apt install spin gcc)",
    ),
]


def check(folder: Path, *search: str, permitted: int, defect: int = 0) -> str:
    """What spin's verifier says after going through all states."""
    defines = [f"-DDEFECT={defect}", f"-DPERMITTED={permitted}"]
    subprocess.run(["spin", "-a", *defines, MODEL], cwd=folder, check=True, capture_output=True)
    # -a -f: liveness, where nobody who can go on is passed over for ever. Without them: safety alone.
    options = ["-DNFAIR=3"] if search else ["-DSAFETY", "-DNOCLAIM"]
    subprocess.run(["cc", "-O1", "-w", *options, "-o", "pan", "pan.c"], cwd=folder, check=True)
    ran = subprocess.run(["./pan", "-n", "-m1000000", *search], cwd=folder, check=True, capture_output=True, text=True)
    assert "max search depth too small" not in ran.stdout
    return ran.stdout


@pytest.mark.parametrize("permitted", [1, 2])
def test_no_order_of_steps_breaks_a_promise(tmp_path: Path, permitted: int) -> None:
    """Few probes, each permit given back once, nothing from earlier rounds: in all of its states."""
    said = check(tmp_path, permitted=permitted)
    assert "errors: 0" in said
    states = int(said.split(" states, stored")[0].split()[-1])
    assert states > 100_000


def test_it_is_never_wedged(tmp_path: Path) -> None:
    """Whatever probes do, the round comes to an end: again and again it is not half-open."""
    said = check(tmp_path, "-a", "-f", permitted=1)
    assert "errors: 0" in said
    assert "acceptance   cycles \t+ (fairness enabled)" in said


@pytest.mark.parametrize(
    ("defect", "search", "found"),
    [
        (1, (), "assertion violated ((done+permits)<="),
        (2, ("-a", "-f"), "acceptance cycle"),
        (3, (), "assertion violated current[me]"),
        (4, (), "assertion violated (permits=="),
        (5, (), "assertion violated (permits=="),
        (6, ("-a", "-f"), "acceptance cycle"),
    ],
    ids=["look then leap", "cancelled keeps", "late counts", "gives another's back", "settled twice", "no silence"],
)
def test_a_defect_is_found(tmp_path: Path, defect: int, search: tuple[str, ...], found: str) -> None:
    """The model can fail: each of the bugs that half-open is known for elsewhere is one that it finds."""
    said = check(tmp_path, *search, permitted=1, defect=defect)
    assert "errors: 1" in said
    assert found in said
