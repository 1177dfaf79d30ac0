"""State documents for the page, of a small shop on a bad day; `t` is the seconds since it opened.

0    all is well
100  the language model's quota goes: its breaker opens, the assistant goes on with the other model
130  writes to the database fail: their breaker opens, what needs the database suffers
175  half-open; 180 the ramp; 195 all is well again
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import sin
from typing import Any

Document = dict[str, Any]

OPENED = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def at(t: float) -> str:
    return (OPENED + timedelta(seconds=t)).isoformat().replace("+00:00", "Z")


def status(score: float, confidence: float = 1.0) -> str:
    if score < 40:
        return "UNHEALTHY"
    if score < 90:
        return "DEGRADED"
    return "HEALTHY" if confidence else "UNKNOWN"


def report(
    name: str, score: float, *limits: str, reason: str = "nothing limits it", confidence: float = 0.96
) -> Document:
    return {
        "name": name, "score": score, "status": status(score, confidence), "confidence": confidence,
        "path": [name, *limits], "limited_by": limits[0] if limits else "", "reason": reason,
    }  # fmt: skip


def breaker(  # noqa: PLR0917
    domain: str, state: str = "CLOSED", since: float = 3600.0, wait: float | None = None, per_second: float = 0.0,
    failed: float = 0.0, refused: float = 0.0, p50: float | None = None, **more: Any,
) -> Document:  # fmt: skip
    served = per_second - failed
    calls = 100 if per_second else 0
    rate = failed / per_second if per_second else 0.0
    p95, p99 = (None, None) if p50 is None else (p50 * 3.2, p50 * 7.5)
    words = {
        "CLOSED": f"It admits all calls; in its window: {rate:.2f} failed and 0.00 slow of {calls}.",
        "OPEN": f"It will admit 5 probes in {wait or 0:.1f} s; if they pass, it closes.",
        "HALF_OPEN": "Of 5 probes 2 are decided and 1 under way; if they pass, it closes.",
    }
    why = more.pop("why", "it has never been otherwise")
    return {
        "domain": domain, "state": state, "since": since, "retry_after": wait, "share": 1.0,
        "probes": {"done": 2 if state == "HALF_OPEN" else 0, "under_way": 1 if state == "HALF_OPEN" else 0, "of": 5},
        "calls": calls, "failure_rate": rate, "slow_call_rate": 0.0, "in_flight": round(per_second / 20), "overdue": 0,
        "verdicts": {"SUCCESS": round(served * 3600), "FAILURE": round(failed * 40), "THROTTLED": 0}, "refused": {},
        "late": 0, "causes": [], "explain": f"{why} is {state} for {since:.1f} s. {words.get(state, '')}", "last": None,
        "traffic": {
            "per_second": per_second, "served": served, "failed": failed, "refused": refused,
            "p50": p50, "p95": p95, "p99": p99,
        },
        **more,
    }  # fmt: skip


def service(name: str, backend: str, said: Document, breakers: list[Document], **more: Any) -> Document:
    return {
        **said, "backend": backend, "requires": [], "root": False, "inhibited_by": [], "suspected": False,
        "saturations": {}, "pressure": 0.0, "gauges": {}, "counters": [], "domains": [], "breakers": breakers, **more,
    }  # fmt: skip


def capability(name: str, level: str, said: Document, **more: Any) -> Document:
    return {
        **said, "level": level, "criticality": "CRITICAL", "importance": 1.0, "requires": [], "prefers": {},
        "any_of": [], "override": None, "inhibited_by": [], "loses": "", **more,
    }  # fmt: skip


def shop(t: float) -> Document:
    """The shop as of `t`."""
    wave = 1 + 0.12 * sin(t / 7) + 0.05 * sin(t / 2.3)
    quota, broken, ramping = t >= 100, 130 <= t < 195, 180 <= t < 195
    dead = 130 <= t < 180
    score = 100.0 if not broken else max(22.0, 96 - (t - 130) * 9) if dead else 40 + (t - 180) * 4
    share = min(1.0, 0.1 + (t - 180) * 0.06) if ramping else 1.0
    why_db = "OperationalError on 14 of 20 writes (0.70 >= 0.50)"
    opened = max(0.0, t - 138)
    if t < 138 or t >= 180:
        write = breaker("write", per_second=11 * wave * share, failed=7.0 if broken and not ramping else 0, p50=0.006,
                        share=share, why="db[write]", since=3600 + t if t < 138 else t - 180)  # fmt: skip
    elif t < 175:
        causes = [{"type": "OperationalError", "text": "server closed the connection unexpectedly", "times": 14}]
        last = {"from": "CLOSED", "to": "OPEN", "reason": "failure_rate", "detail": why_db, "ago": opened}
        write = breaker("write", "OPEN", opened, 175 - t, refused=11 * wave, causes=causes, last=last,
                        why=f"db[write] opened because of {why_db} and")  # fmt: skip
    else:
        write = breaker("write", "HALF_OPEN", t - 175, None, per_second=0.5, refused=10 * wave, why="db[write]")
    read = breaker("read", per_second=38 * wave, p50=0.0042, why="db[read]")
    main = breaker("", why="db")
    db = report("db", score, "write", "state", reason=f"its breaker is OPEN: {why_db}") if broken else report("db", 100)
    llm_state = breaker("gpt-large", "OPEN", t - 100, max(0.0, 240 - t), refused=2.4, why="llm[gpt-large]: quota used up;",
                        causes=[{"type": "RateLimitError", "text": "insufficient_quota", "times": 1}])  # fmt: skip
    llm = breaker("gpt-large", per_second=2.4 * wave, p50=0.8, why="llm[gpt-large]")
    full = 0.45 + (0.5 if broken and dead else 0.0)
    lost = "New orders wait in a queue; nobody can change an address."
    level = "FULL" if not broken else "FALLBACK" if score < 70 else "REDUCED"
    limits = ("db", "write", "state") if broken else ()
    reason = db["reason"]
    inhibited = ["db"] if broken else []
    capabilities = [
        capability("browse", "FULL" if not broken else "REDUCED", report("browse", 100 if not broken else 78, *limits, reason=reason),
                   requires=["db"], prefers={"cache": 0.3}, inhibited_by=inhibited, loses="Stock is shown as of some minutes ago." if broken else ""),
        capability("checkout", level, report("checkout", score, *limits, reason=reason), requires=["db", "files"], prefers={"cache": 0.2},
                   inhibited_by=inhibited, loses=lost if broken else ""),
        capability("pictures", "FULL", report("pictures", 97), requires=["files"], criticality="DEGRADED"),
        capability("assistant", "FULL", report("assistant", 98), any_of=[["llm", "llm-eu"]], prefers={"search": 0.3}, criticality="BEST_EFFORT"),
    ]  # fmt: skip
    services = [
        service("db", "db", db, [main, read, write], root=broken, saturations={"pool": full, "overflow": full - 0.4}, pressure=full,
                gauges={"pool_in_use": 9, "pool_size": 20}, counters=[{"name": "transactions", "labels": {"outcome": "commit"}, "value": 38210}]),
        service("cache", "redis", report("cache", 100), [breaker("", why="cache"), breaker("read", per_second=140 * wave, p50=0.0004, why="cache[read]"),
                breaker("write", per_second=22 * wave, p50=0.0005, why="cache[write]")], saturations={"pool": 0.31}),
        service("search", "db", report("search", min(score, 100), *(("db", "write", "state") if broken else ())), [breaker("", why="search"),
                breaker("", per_second=6 * wave, p50=0.03, why="search")], requires=["db"], inhibited_by=inhibited),
        service("files", "s3", report("files", 97, "errors", reason="at least 1 % of the recent calls were bad"), [breaker("", why="files"),
                breaker("pictures", per_second=17 * wave, failed=0.1, p50=0.04, why="files[pictures]"), breaker("invoices", per_second=0.6, p50=0.06, why="files[invoices]")],
                saturations={"connections": 0.4}),
        service("llm", "openai", report("llm", 10, "gpt-large", "state", reason="its breaker is OPEN: quota used up") if quota else report("llm", 99),
                [breaker("", why="llm"), llm_state if quota else llm], root=quota),
        service("llm-eu", "openai", report("llm-eu", 98 if quota else 100, confidence=0.8 if quota else 0.0, reason="nothing limits it" if quota else "there were no recent calls"),
                [breaker("", why="llm-eu"), breaker("gpt-large-eu", per_second=2.4 if quota else 0, p50=0.9 if quota else None, why="llm-eu[gpt-large-eu]")]),
    ]  # fmt: skip
    worst = min(capabilities[0]["score"], capabilities[1]["score"])
    roots = [one["name"] for one in services if one["root"]]
    return {
        "version": "0.1.0", "at": at(t), "uptime": 3600 + t,
        "app": report("shop", worst, *(("checkout", *limits) if broken else ()), reason=reason),
        "lag": 0.004, "roots": roots, "suspects": [], "capabilities": capabilities, "services": services,
        "plugins": [
            {"name": name, "state": "ACTIVE", "distribution": f"switchgear-{name}", "version": "0.1.0", "problem": ""}
            for name in ("db", "openai", "redis", "s3")
        ],
    }  # fmt: skip


def moves(t: float) -> list[Document]:
    """The shop's timeline up to `t`."""
    told = [
        (100, "transition", "llm", "gpt-large", "CLOSED", "OPEN", "exhausted", "insufficient_quota: comes back in 140 s"),
        (134, "level", "checkout", "", "FULL", "REDUCED", "worsened", "score 71.0, checkout <- db <- errors: at least 12% of the recent calls were bad"),
        (138, "transition", "db", "write", "CLOSED", "OPEN", "failure_rate", "14 of 20 calls failed (0.70 >= 0.50)"),
        (138, "level", "checkout", "", "REDUCED", "FALLBACK", "worsened", "score 22.0, checkout <- db <- write <- state: its breaker is OPEN"),
        (60, "operator", "cache", "", "", "close", "close", "its new address is in place"),
        (175, "transition", "db", "write", "OPEN", "HALF_OPEN", "wait_elapsed", "37.0 s are over"),
        (180, "transition", "db", "write", "HALF_OPEN", "CLOSED", "probes_passed", "5 of 5 probes passed"),
        (195, "level", "checkout", "", "FALLBACK", "REDUCED", "improved", "score 100.0, 78 or more for 10 s"),
    ]  # fmt: skip
    keys = ("kind", "name", "domain", "from", "to", "reason", "detail")
    return [
        {"at": at(when), "seq": seq, **dict(zip(keys, rest, strict=True))}
        for seq, (when, *rest) in enumerate(told, 1)
        if when <= t
    ]
