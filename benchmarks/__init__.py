"""Measurements of the call path, beside a hand-written floor and every peer that offers the feature.

`python -m benchmarks` (or `python3 dev.py bench`). Never part of a test: machines differ, ratios within one run do not.
"""
