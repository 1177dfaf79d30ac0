"""Line charts as SVG, in the reader's own light or dark; nothing but text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

#: Of one panel, in pixels: the whole, and what is left free for the names of the values and the moments.
WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 720, 170, 56, 26, 22

_STYLE = """
svg { font: 12px system-ui, sans-serif; background: #fff; color: #222 }
.title { font-weight: 600; fill: currentColor } .name { fill: currentColor; opacity: .7 }
.grid { stroke: currentColor; opacity: .12 } .fault { fill: #d9480f; opacity: .10 }
path { fill: none; stroke-width: 2; stroke-linejoin: round }
.s0 { stroke: #1864ab } .s1 { stroke: #868e96; stroke-dasharray: 5 3 } .s2 { stroke: #2b8a3e } .s3 { stroke: #c92a2a }
@media (prefers-color-scheme: dark) {
  svg { background: #16181c; color: #e9ecef }
  .s0 { stroke: #74c0fc } .s1 { stroke: #adb5bd } .s2 { stroke: #8ce99a } .s3 { stroke: #ffa8a8 }
}
"""


@dataclass(frozen=True)
class Panel:
    """Lines over the same seconds: name -> a value for each second. Values above `most` are cut off."""

    title: str
    lines: Mapping[str, Sequence[float]]
    most: float
    unit: str


def chart(panels: Sequence[Panel], fault: tuple[float, float], says: str) -> str:
    """Panels under one another; the seconds of the fault are tinted. `says`: what it shows, for who cannot see it."""
    view = f"0 0 {WIDTH} {HEIGHT * len(panels)}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{view}" role="img" aria-label="{escape(says)}">',
        f"<style>{_STYLE}</style>",
    ]
    for number, panel in enumerate(panels):
        parts += [f'<g transform="translate(0 {number * HEIGHT})">', *_panel(panel, fault), "</g>"]
    return "\n".join([*parts, "</svg>", ""])


def _panel(panel: Panel, fault: tuple[float, float]) -> list[str]:
    seconds = max(len(values) for values in panel.lines.values())
    floor = HEIGHT - BOTTOM

    def x(second: float) -> float:
        return LEFT + (WIDTH - LEFT - 8) * second / (seconds - 1)

    def y(value: float) -> float:
        return floor - (floor - TOP) * min(value, panel.most) / panel.most

    drawn = [f'<text class="title" x="{LEFT}" y="15">{escape(panel.title)}</text>']
    drawn.append(f'<rect class="fault" x="{x(fault[0]):.1f}" y="{TOP}" width="{x(fault[1]) - x(fault[0]):.1f}" '
                 f'height="{floor - TOP}"/>')  # fmt: skip
    for share in (0.0, 0.5, 1.0):
        value = panel.most * share
        drawn.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - 8}" y1="{y(value):.1f}" y2="{y(value):.1f}"/>')
        drawn.append(f'<text class="name" x="{LEFT - 6}" y="{y(value) + 4:.1f}" text-anchor="end">'
                     f'{value:g} {panel.unit}</text>')  # fmt: skip
    drawn += [
        f'<text class="name" x="{x(second):.1f}" y="{HEIGHT - 6}" text-anchor="middle">{second} s</text>'
        for second in range(0, seconds, 10)
    ]
    right = WIDTH - 8.0
    for kind, (name, values) in reversed(list(enumerate(panel.lines.items()))):
        points = " ".join(f"{x(second):.1f},{y(value):.1f}" for second, value in enumerate(values))
        drawn.append(f'<path class="s{kind}" d="M{points.replace(" ", " L")}"/>')
        drawn.append(f'<text class="name" x="{right:.0f}" y="15" text-anchor="end">{escape(name)}</text>')
        right -= 7.0 * len(name) + 8
        drawn.append(f'<path class="s{kind}" d="M{right - 16:.0f},11 L{right - 2:.0f},11"/>')
        right -= 28
    return drawn
