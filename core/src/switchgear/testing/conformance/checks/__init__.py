"""The checks, by what they are about. They use what every plugin has, and nothing of any."""

from __future__ import annotations
