"""What the live page shows, of documents that have something of everything."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from copy import deepcopy

import msgspec
import pytest
from playwright.async_api import Browser, expect

from switchgear import _document
from tests.asgi.browsing import Staged, Visit, visiting
from tests.asgi.scenes import bad_day, breaker, capability, entries, good_day, report, service

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"  # Playwright runs on nothing else


@pytest.fixture
def stage() -> Staged:
    return Staged(bad_day(), entries())


@pytest.fixture
async def visit(browser: Browser, empty: str, stage: Staged) -> AsyncIterator[Visit]:
    async with visiting(browser, empty, viewport={"width": 1440, "height": 1000}) as visit:
        await stage.take_over(visit.page)
        await visit.open()
        yield visit


def test_scenes_are_documents() -> None:
    """The scenes are of the very types that the application sends."""
    for scene in (good_day(), bad_day()):
        msgspec.convert(scene, _document.State)
    msgspec.convert(entries(), list[_document.Entry])


async def test_overview(visit: Visit) -> None:
    """First come the application's score, status and the path to what limits it; root causes link to their tiles."""
    overview = visit.page.locator("#overview")
    await expect(overview.locator(".big-score")).to_have_text("22")
    await expect(overview).to_contain_text("UNHEALTHY")
    await expect(overview).to_contain_text("shop ← checkout ← db ← write ← state")
    await expect(overview.locator(".roots a")).to_have_text(["db", "llm"])
    assert await visit.page.title() == "22 UNHEALTHY · shop"
    await overview.get_by_role("link", name="llm").click()
    await expect(visit.page.locator("#service-llm")).to_be_in_viewport()


async def test_self_suspicion(visit: Visit, stage: Staged) -> None:
    """When so much breaks at once that the fault may be ours, the page says so with the event loop as evidence, and
    stops saying so.
    """
    said = visit.page.locator(".suspicion")
    await expect(said).to_contain_text("Suspect ourselves first: db, files, llm")
    await expect(said).to_contain_text(re.compile(r"340\s?ms late"))
    stage.document = good_day()
    await expect(said).to_be_hidden()
    await expect(visit.page.get_by_text("Nothing to mend.")).to_be_visible()


async def test_capabilities(visit: Visit) -> None:
    """Each capability has its level, what users lose now, why, and what an operator has decided."""
    checkout = visit.page.locator("#capability-list > li").filter(has=visit.page.locator("#capability-checkout"))
    await expect(checkout.locator(".level")).to_have_text("OFF")
    await expect(checkout.locator(".loses")).to_have_text("Nobody can buy anything.")
    await expect(checkout.locator(".because")).to_contain_text("checkout ← db ← write ← state: its breaker is OPEN")
    await expect(checkout.locator(".needs")).to_contain_text("requires browse, files")
    pictures = visit.page.locator("#capability-list > li").filter(has=visit.page.locator("#capability-pictures"))
    await expect(pictures.locator(".override")).to_contain_text("An operator holds it at MINIMAL for another 7")
    assistant = visit.page.locator("#capability-list > li").filter(has=visit.page.locator("#capability-assistant"))
    await expect(assistant.locator(".loses")).to_have_text("Users lose nothing.")
    await expect(assistant.locator(".needs")).to_contain_text("any one of llm, llm-eu")


async def test_graph_says_why(visit: Visit) -> None:
    """In the graph root causes and what they inhibit are told apart in words."""
    nodes = visit.page.locator("#graph .node")
    for name, note in {"db": "root cause", "llm": "root cause", "search": "because of db", "cache": ""}.items():
        node = nodes.filter(has=visit.page.locator(".node-title", has_text=re.compile(f"^{name}$")))
        await expect(node.locator(".node-note")).to_have_text(note)


async def test_graph_edges(visit: Visit) -> None:
    """The three kinds of edges differ in more than colour, and those that hold something down now stand out."""
    looks = await visit.page.evaluate(
        """() => Object.fromEntries(["requires", "prefers", "any_of"].map((kind) =>
            [kind, getComputedStyle(document.querySelector(`#graph-canvas .line.${kind} .edge`)).strokeDasharray]))"""
    )
    assert len(set(looks.values())) == 3
    assert await visit.page.locator("#graph-canvas .weight").all_text_contents() == ["30\u202f%", "30\u202f%"]
    # db -> search, db -> browse, browse -> checkout is not the path: checkout is limited by db
    assert await visit.page.locator("#graph-canvas .line[data-trouble=limits]").count() == 2


async def test_graph_is_laid_out_by_rank(visit: Visit) -> None:
    """What is needed stands left of what needs it, services left of all capabilities, and no two nodes overlap."""
    boxes = await visit.page.evaluate(
        """() => Object.fromEntries([...document.querySelectorAll("#graph .node")].map((node) => {
            const { left, top, right, bottom } = node.getBoundingClientRect();
            return [node.querySelector(".node-title").textContent, [left, top, right, bottom]];
        }))"""
    )
    scene = bad_day()
    for one in [*scene["services"], *scene["capabilities"]]:
        for needed in one["requires"]:
            assert boxes[needed][2] < boxes[one["name"]][0]
    services, capabilities = ([one["name"] for one in scene[kind]] for kind in ("services", "capabilities"))
    assert max(boxes[name][2] for name in services) < min(boxes[name][0] for name in capabilities)
    names = sorted(boxes)
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            left, top, right, bottom = boxes[one]
            assert (
                right <= boxes[other][0]
                or left >= boxes[other][2]
                or bottom <= boxes[other][1]
                or top >= boxes[other][3]
            )


async def test_graph_follows_the_application(visit: Visit, stage: Staged) -> None:
    """A service that is guarded later appears in the graph and among the tiles; one that is gone, goes."""
    stage.document = deepcopy(good_day())
    stage.document["services"].append(service("mail", "smtp", report("mail", 100), breaker("")))
    stage.document["capabilities"].append(capability("news", "FULL", report("news", 100), requires=["mail"]))
    await expect(visit.page.locator("#graph .node-title")).to_have_text(["db", "cache", "mail", "browse", "news"])
    await expect(visit.page.locator(".tile h3")).to_have_text(["db db", "cache redis", "mail smtp"])


async def test_tile_of_an_open_breaker(visit: Visit) -> None:
    """A tile speaks of its worst breaker: the state, a countdown that runs without new data, why, and the numbers."""
    tile = visit.page.get_by_role("article", name="db db", exact=True)
    await expect(tile.locator(".state .state-word")).to_have_text("OPEN")
    await expect(tile.locator(".why")).to_have_text("write is OPEN for 32.0 s: as the scene has it.")
    await expect(tile.locator(".limit")).to_contain_text(re.compile(r"confidence 96\s?%"))
    await expect(tile.locator(".saturations")).to_contain_text(re.compile(r"pool\s*95\s?%"))
    await expect(tile.locator("figcaption").first).to_have_text("served 38failed 0refused 9.5")
    await expect(tile.locator("tbody th")).to_have_text(["whole service", "write", "read"])
    await tile.locator("summary").click()
    await expect(tile.locator(".causes")).to_have_text(
        "14 x OperationalError: server closed the connection unexpectedly"
    )
    await expect(tile.locator(".details-body")).to_contain_text("rows (way read)38\u202f210")


async def test_chaos_is_no_mystery(visit: Visit) -> None:
    """A service that is put through chaos says which, whose calls, for how long and why."""
    files = visit.page.get_by_role("article", name="files s3")
    await expect(files.locator(".role")).to_have_text(
        re.compile("Chaos on purpose: latency into 5.% of the calls of domains pictures, for another .*drill")
    )


async def test_countdown_runs(visit: Visit, stage: Staged) -> None:
    """Between two documents the seconds to the next probe go on being counted down."""
    countdown = visit.page.get_by_role("article", name="db db", exact=True).locator(".state .countdown")
    stage.document["services"][0]["breakers"][2]["retry_after"] = 8.0
    await expect(countdown).to_have_text(re.compile(r"^[78]\.\d"))  # each document begins anew, at 8.0
    seen = await visit.page.evaluate(
        """() => new Promise((done) => {
            const node = document.querySelector("#tiles .tile .state .countdown");
            const seen = new Set();
            const timer = setInterval(() => {
                seen.add(node.textContent);
                if (seen.size > 3) { clearInterval(timer); done([...seen]); }
            }, 20);
        })"""
    )
    assert all(re.fullmatch(r"[78]\.\d\s?s", text) for text in seen)


@pytest.mark.parametrize(
    ("name", "state", "said"),
    [
        ("search db", "HALF OPEN", "2 of 5 probes decided, 1 under way"),
        ("files s3", "METRICS ONLY", "only reports"),
        ("llm openai", "FORCED OPEN", "held by an operator for another 9"),
        ("llm-eu openai", "CLOSED", "admits all calls for 32"),
    ],
)
async def test_states_in_words(visit: Visit, name: str, state: str, said: str) -> None:
    """Every state is named, with what will come of it."""
    tile = visit.page.get_by_role("article", name=name, exact=True)
    await expect(tile.locator(".state .state-word")).to_have_text(state)
    await expect(tile.locator(".state-next")).to_contain_text(said)


async def test_ramp(visit: Visit, stage: Staged) -> None:
    """A breaker that is ramping up says which share it admits."""
    stage.document["services"][3]["breakers"].pop()
    tile = visit.page.get_by_role("article", name="files s3", exact=True)
    await expect(tile.locator(".state-next")).to_contain_text(re.compile(r"ramping up, admits 40\s?%"))


async def test_many_domains(visit: Visit, stage: Staged) -> None:
    """Of a service with many domains the tile shows a few, those in trouble first, and all on demand."""
    branches = [breaker(f"node-{i:02}", calls=1) for i in range(40)]
    branches[33] = breaker("node-33", "OPEN", retry_after=5.0)
    stage.document["services"][1]["breakers"] = [breaker(""), *branches]
    tile = visit.page.get_by_role("article", name="cache redis", exact=True)
    await expect(tile.locator("tbody tr")).to_have_count(7)
    await expect(tile.locator("tbody th").nth(1)).to_have_text("node-33")
    await tile.get_by_role("button", name="Show all 40 domains").click()
    await expect(tile.locator("tbody tr")).to_have_count(41)


async def test_timeline(visit: Visit) -> None:
    """The timeline has what changed and why, newest first, and can be kept to one service."""
    rows = visit.page.locator("#entries > li")
    await expect(rows).to_have_count(5)
    await expect(rows.first).to_contain_text("pictures held by an operator at MINIMAL")
    await expect(rows.nth(1)).to_contain_text("We ourselves are suspected")
    await expect(rows.nth(3)).to_contain_text("db write CLOSED → OPEN")
    await expect(rows.nth(3)).to_contain_text("failure rate: 14 of 20 calls failed")
    await visit.page.get_by_label("Show").select_option("db")
    await expect(rows).to_have_count(1)
    await visit.page.get_by_label("Show").select_option("llm")
    await expect(visit.page.get_by_text("Nothing has changed yet.")).to_be_visible()


async def test_transitions_are_announced(visit: Visit, stage: Staged) -> None:
    """A screen reader hears of what happens while the page is open, and of nothing that was before."""
    announced = visit.page.get_by_role("status")
    await expect(announced).to_be_empty()
    move = {**entries()[1], "seq": 6, "at": "2026-03-02T10:00:00+00:00"}
    stage.entries = [*entries(), move]
    await expect(announced).to_have_text("db write CLOSED → OPEN, failure rate")


async def test_data_is_never_markup(visit: Visit, stage: Staged) -> None:
    """Whatever a name or an error says is shown as text."""
    evil = "<img src=x onerror=alert(1)>"
    scene = stage.document
    scene["services"][0]["breakers"][2].update(explain=evil, domain=evil)
    scene["capabilities"][0].update(loses=evil)
    scene["services"].append(service(evil, evil, report(evil, 50, evil, reason=evil), breaker(evil)))
    stage.entries = [{**entries()[1], "seq": 9, "name": evil, "detail": evil}]
    await expect(visit.page.locator("#entries")).to_contain_text(evil)
    await expect(visit.page.locator(".tile .why").first).to_have_text(evil)
    await expect(visit.page.get_by_role("article", name=evil)).to_be_visible()
    assert await visit.page.locator("img").count() == 0


async def test_nothing_declared(visit: Visit, stage: Staged) -> None:
    """An application that has declared no capability, or guards no client yet, is told so, and nothing breaks."""
    stage.document = {**good_day(), "capabilities": []}
    await expect(visit.page.locator("#capabilities")).to_be_hidden()
    await expect(visit.page.locator("#graph .node-title")).to_have_text(["db", "cache"])
    stage.document = {**good_day(), "capabilities": [], "services": [], "plugins": []}
    await expect(visit.page.get_by_text("No client is guarded yet.")).to_be_visible()
