"""Exporters of what a gear does: `switchgear.observers.prometheus`, `switchgear.observers.logs`."""

from __future__ import annotations
