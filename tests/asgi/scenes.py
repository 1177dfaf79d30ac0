"""State documents for the page: a shop on a good day, and on a bad one that has something of everything."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

Document = dict[str, Any]

_BEGAN = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def at(seconds: float) -> str:
    """The date and time so long after the shop was opened."""
    return (_BEGAN + timedelta(seconds=seconds)).isoformat()


def report(name: str, score: float, *limits: str, reason: str = "nothing limits it", known: float = 0.96) -> Document:
    words = "UNHEALTHY" if score < 40 else "DEGRADED" if score < 90 else "HEALTHY" if known else "UNKNOWN"
    return {
        "name": name,
        "score": score,
        "status": words,
        "confidence": known,
        "path": [name, *limits],
        "limited_by": limits[0] if limits else "",
        "reason": reason,
    }


def breaker(domain: str, state: str = "CLOSED", *, calls: float = 0.0, refused: float = 0.0, **more: Any) -> Document:
    rates = {"per_second": calls + refused, "served": calls, "failed": 0.0, "refused": refused}
    p50, p95, p99 = (0.004, 0.013, 0.032) if calls else (None, None, None)
    return {
        "domain": domain,
        "state": state,
        "since": 32.0,
        "retry_after": None,
        "share": 1.0,
        "probes": {"done": 0, "under_way": 0, "of": 5},
        "calls": 100 if calls else 0,
        "failure_rate": 0.0,
        "slow_call_rate": 0.0,
        "in_flight": 2,
        "overdue": 0,
        "verdicts": {"SUCCESS": 38_000, "FAILURE": 14},
        "refused": {"OPEN": 310} if refused else {},
        "late": 0,
        "causes": [],
        "explain": f"{domain or 'all'} is {state} for 32.0 s: as the scene has it.",
        "last": None,
        "traffic": {**rates, "p50": p50, "p95": p95, "p99": p99},
        **more,
    }


def service(name: str, backend: str, said: Document, *branches: Document, **more: Any) -> Document:
    return {
        **said,
        "name": name,
        "backend": backend,
        "requires": [],
        "root": False,
        "inhibited_by": [],
        "suspected": False,
        "saturations": {},
        "pressure": 0.0,
        "gauges": {},
        "counters": [],
        "chaos": [],
        "domains": [],
        "breakers": [breaker(""), *branches],
        **more,
    }


def capability(name: str, level: str, said: Document, **more: Any) -> Document:
    return {
        **said,
        "name": name,
        "level": level,
        "criticality": "CRITICAL",
        "importance": 1.0,
        "requires": [],
        "prefers": {},
        "any_of": [],
        "override": None,
        "inhibited_by": [],
        "loses": "",
        **more,
    }


def shop(app: Document, services: list[Document], capabilities: list[Document], **more: Any) -> Document:
    return {
        "version": "0.1.0",
        "at": at(0),
        "uptime": 3600.0,
        "app": app,
        "lag": 0.004,
        "roots": [one["name"] for one in services if one["root"]],
        "suspects": [],
        "capabilities": capabilities,
        "services": services,
        "plugins": [
            {"name": "redis", "state": "ACTIVE", "distribution": "switchgear-redis", "version": "0.1.0", "problem": ""}
        ],
        **more,
    }


def good_day() -> Document:
    services = [
        service("db", "db", report("db", 100), breaker("read", calls=38), saturations={"pool": 0.45}),
        service("cache", "redis", report("cache", 100, known=0.0, reason="there were no recent calls"), breaker("")),
    ]
    browse = capability("browse", "FULL", report("browse", 100), requires=["db"], prefers={"cache": 0.3})
    return shop(report("shop", 100), services, [browse])


def bad_day() -> Document:
    """Of the services db and llm are root causes; what needs db suffers, the assistant goes on with llm-eu."""
    why = "14 of 20 calls failed (0.70 >= 0.50)"
    down, limits = f"its breaker is OPEN: {why}", ("db", "write", "state")
    cause = {"type": "OperationalError", "text": "server closed the connection unexpectedly", "times": 14}
    last = {"from": "CLOSED", "to": "OPEN", "reason": "failure_rate", "detail": why, "ago": 32.0}
    write = breaker("write", "OPEN", refused=9.5, retry_after=45.0, causes=[cause], last=last)
    services = [
        service("db", "db", report("db", 22, "write", "state", reason=down), breaker("read", calls=38), write,
                root=True, suspected=True, saturations={"pool": 0.95, "overflow": 0.55},
                gauges={"pool_in_use": 19}, counters=[{"name": "rows", "labels": {"way": "read"}, "value": 38210.0}]),
        service("cache", "redis", report("cache", 100), breaker("read", calls=140), breaker("write", calls=22)),
        service("search", "db", report("search", 22, *limits, reason=down), breaker("", calls=6), requires=["db"],
                inhibited_by=["db"], breakers=[breaker("", "HALF_OPEN", probes={"done": 2, "under_way": 1, "of": 5})]),
        service("files", "s3", report("files", 97, "errors", reason="at least 1% of the recent calls were bad"),
                breaker("pictures", calls=17, share=0.4), breaker("invoices", "METRICS_ONLY"), suspected=True,
                chaos=[{"injection": "latency", "reason": "drill", "rate": 0.05, "operations": [],
                        "domains": ["pictures"], "ends_in": 240.0}]),
        service("llm", "openai", report("llm", 0, "state", reason="an operator"), root=True, suspected=True,
                breakers=[breaker("", "FORCED_OPEN", retry_after=540.0), breaker("large", "DISABLED")]),
        service("llm-eu", "openai", report("llm-eu", 98), breaker("large-eu", calls=2.4)),
    ]  # fmt: skip
    override = {"level": "MINIMAL", "reason": "the new renderer is being tried", "ends_in": 423.0}
    suffers = {"inhibited_by": ["db"]}
    capabilities = [
        capability("browse", "REDUCED", report("browse", 78, *limits, reason=down), requires=["db"],
                   prefers={"cache": 0.3}, loses="Stock is shown as of some minutes ago.", **suffers),
        capability("checkout", "OFF", report("checkout", 22, *limits, reason=down), requires=["browse", "files"],
                   loses="Nobody can buy anything.", **suffers),
        capability("pictures", "MINIMAL", report("pictures", 97), requires=["files"], criticality="DEGRADED",
                   loses="Pictures are small.", override=override),
        capability("assistant", "FULL", report("assistant", 98), any_of=[["llm", "llm-eu"]], prefers={"search": 0.3},
                   criticality="BEST_EFFORT"),
    ]  # fmt: skip
    app = report("shop", 22, "checkout", *limits, reason=down)
    return shop(app, services, capabilities, lag=0.34, suspects=["db", "files", "llm"])


def entries() -> list[Document]:
    """The bad day's timeline."""
    told = [
        ("operator", "cache", "", "", "close", "close", "its new address is in place"),
        ("transition", "db", "write", "CLOSED", "OPEN", "failure_rate", "14 of 20 calls failed (0.70 >= 0.50)"),
        ("level", "checkout", "", "FULL", "OFF", "worsened", "score 22.0, checkout <- db <- write <- state"),
        ("suspicion", "app", "", "", "SELF_SUSPECT", "suspected", "db, files, llm failed within moments"),
        ("operator", "pictures", "", "", "MINIMAL", "override", "the new renderer is being tried"),
    ]
    keys = ("kind", "name", "domain", "from", "to", "reason", "detail")
    return [{"at": at(-60 + seq), "seq": seq, **dict(zip(keys, one, strict=True))} for seq, one in enumerate(told, 1)]
