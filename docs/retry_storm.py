"""Draws docs/retry-storm.svg: the outage of tests/test_metastability.py, seed 0, met in two ways.

`python -m docs.retry_storm`
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.test_metastability import BEGINS, ENDS, OVER, by_default, lived, naive

WIDTH, HEIGHT, LEFT, TOP = 760, 150, 40, 26
COLOURS = {"three naive retries": "#c0392b", "the default pipeline": "#1e7e4f"}


def _x(second: float) -> float:
    return LEFT + second / OVER * (WIDTH - LEFT - 10)


def _plot(title: str, lines: dict[str, Sequence[float]], most: float, top: float) -> list[str]:
    """One picture: the outage in grey, a line each, a number at each end of the scale."""
    base, outage = top + TOP + HEIGHT, _x(ENDS) - _x(BEGINS)
    drawn = [
        f'<text x="{LEFT}" y="{top + 16}" font-weight="bold">{title}</text>',
        f'<rect x="{_x(BEGINS):.1f}" y="{top + TOP}" width="{outage:.1f}" height="{HEIGHT}" fill="#8884"/>',
        f'<path d="M{LEFT} {top + TOP}V{base}H{WIDTH - 10}" fill="none" stroke="#888"/>',
        f'<text x="{LEFT - 6}" y="{top + TOP + 5}" text-anchor="end">{most:g}</text>',
        f'<text x="{LEFT - 6}" y="{base}" text-anchor="end">0</text>',
    ]
    for name, values in lines.items():
        heights = [base - min(value, most) / most * HEIGHT for value in values]
        points = " ".join(f"{_x(second + 0.5):.1f},{height:.1f}" for second, height in enumerate(heights))
        drawn.append(f'<polyline points="{points}" fill="none" stroke="{COLOURS[name]}" stroke-width="2"/>')
    return drawn


def picture() -> str:
    """Goodput and load, second by second."""
    outcomes = {"three naive retries": lived(naive, 0), "the default pipeline": lived(by_default, 0)}
    seconds = range(int(OVER) - 4)  # the last calls are tried again when nobody else calls any more
    served = {name: [100 * each.goodput(second, second + 1) for second in seconds] for name, each in outcomes.items()}
    asked = {name: [float(each.asked[second]) for second in seconds] for name, each in outcomes.items()}
    drawn = [
        *_plot("calls served, % (the backend stands still in the grey time)", served, 100, 0),
        *_plot("requests that the backend is sent, a second (it has room for 20)", asked, 80, HEIGHT + TOP + 14),
    ]
    foot = 2 * (HEIGHT + TOP + 14) + 8
    for number, (name, colour) in enumerate(COLOURS.items()):
        drawn.append(f'<text x="{LEFT + 220 * number}" y="{foot}" fill="{colour}">{name}</text>')
    drawn.append(f'<text x="{WIDTH - 10}" y="{foot}" text-anchor="end">{OVER:g} s</text>')
    size = f'viewBox="0 0 {WIDTH} {foot + 10}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="13" fill="#666">'
    return "\n".join([head, *drawn, "</svg>", ""])


if __name__ == "__main__":
    Path(__file__).with_name("retry-storm.svg").write_text(picture())
