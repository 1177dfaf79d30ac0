"""Evidence and scores as they might be, for the tests of health."""

from __future__ import annotations

from hypothesis import strategies as st

from switchgear import State
from switchgear._decay import Evidence
from tests.reports import snapshot_of

NEARLY = 1e-9  # what rounding may add to a score
R50S = {"redis": 0.1, "s3": 0.05, "db": 0.05, "openai": 0.2}

#: One call's worth each; every one is worse than those before it.
SERVED, TOLERATED, THROTTLED, FAILED = Evidence(1), Evidence(1, 0.5, 0.5), Evidence(1, 0.5), Evidence(1, 1)

ratios = st.sampled_from(sorted({*R50S.values()})) | st.floats(0.01, 0.9)
scores = st.sampled_from([0.0, 10.0, 40.0, 90.0, 100.0]) | st.floats(0, 100)
snapshots = st.builds(snapshot_of, st.sampled_from(State)) | st.builds(
    lambda share: snapshot_of(share=share), st.floats(0.01, 1)
)
evidences = st.builds(
    lambda calls, share, late: Evidence(calls, calls * share, calls * share * late),
    st.floats(0, 1e6),
    st.sampled_from([0.0, 1.0]) | st.floats(0, 1),
    st.sampled_from([0.0, 1.0]) | st.floats(0, 1),
)
