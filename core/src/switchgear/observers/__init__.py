"""Exporters of what a gear does: `switchgear.observers.prometheus`, `.otel` and `.logs`."""

from __future__ import annotations
