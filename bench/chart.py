"""Line charts as SVG, readable on light and on dark pages; x is logarithmic, y starts at zero."""

import math
from collections.abc import Sequence
from html import escape
from typing import Final, NamedTuple

_WIDTH: Final = 640
_HEIGHT: Final = 360
_LEFT: Final = 70
_RIGHT: Final = 30
_TOP: Final = 40
_BOTTOM: Final = 60
_TICKS: Final = 5
_STYLE: Final = """
  text { font: 13px sans-serif; fill: #1f2328; }
  .axis { stroke: #59636e; } .grid { stroke: #d1d9e0; }
  .line { fill: none; stroke-width: 2; } .line0, .dot0 { stroke: #0969da; } .dot0 { fill: #0969da; }
  .line1 { stroke: #bc4c00; stroke-dasharray: 6 4; } .dot1 { display: none; }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc; } .axis { stroke: #9198a1; } .grid { stroke: #3d444d; }
    .line0, .dot0 { stroke: #4493f8; } .dot0 { fill: #4493f8; } .line1 { stroke: #f0883e; }
  }
"""


class Line(NamedTuple):
    """Points of one line, in the order of x; all numbers are positive."""

    name: str
    points: Sequence[tuple[float, float]]


def draw(lines: Sequence[Line], *, x: str, y: str) -> str:
    """A chart of up to two lines, the second dashed: x logarithmic, y from zero.

    Raises:
        ValueError: there are no points.

    """
    xs = sorted({point[0] for line in lines for point in line.points})
    if not xs:
        raise ValueError("no points")
    step = _step(max(point[1] for line in lines for point in line.points) / _TICKS)
    highest = step * math.ceil(max(point[1] for line in lines for point in line.points) / step)

    def across(value: float) -> float:
        share = (math.log(value) - math.log(xs[0])) / (math.log(xs[-1] / xs[0]) or 1)
        return round(_LEFT + share * (_WIDTH - _LEFT - _RIGHT), 1)

    def up(value: float) -> float:
        return round(_HEIGHT - _BOTTOM - value / highest * (_HEIGHT - _TOP - _BOTTOM), 1)

    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">']
    parts += [f"<title>{escape(y)} over {escape(x)}</title><style>{_STYLE}</style>"]
    for number in range(round(highest / step) + 1):
        at = up(number * step)
        parts += [f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{at}" y2="{at}"/>']
        parts += [f'<text x="{_LEFT - 8}" y="{at + 4}" text-anchor="end">{number * step:g}</text>']
    floor = up(0)
    parts += [f'<line class="axis" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{floor}" y2="{floor}"/>']
    for value in xs:
        parts += [f'<text x="{across(value)}" y="{floor + 20}" text-anchor="middle">{value:,.0f}</text>']
    parts += [f'<text x="{(_LEFT + _WIDTH - _RIGHT) / 2}" y="{_HEIGHT - 14}" text-anchor="middle">{escape(x)}</text>']
    parts += [f'<text x="{_LEFT}" y="20">{escape(y)}</text>']
    for number, line in enumerate(lines):
        places = [(across(one), up(other)) for one, other in line.points]
        path = " ".join(f"{one},{other}" for one, other in places)
        parts += [f'<polyline class="line line{number}" points="{path}"/>']
        parts += [f'<circle class="dot{number}" cx="{one}" cy="{other}" r="4"/>' for one, other in places]
        if len(lines) > 1:
            last = places[-1]
            parts += [f'<text x="{last[0]}" y="{last[1] - 8}" text-anchor="end">{escape(line.name)}</text>']
    return "\n".join([*parts, "</svg>"]) + "\n"


def _step(least: float) -> float:
    """The next larger of 1, 2 and 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least)
