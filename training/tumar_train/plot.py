"""The detection error trade-off as SVG: FNMR against FMR, both on scales of normal deviates, by themes light and dark."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from statistics import NormalDist

from .records import Reals

WIDTH, HEIGHT = 720, 480
LEFT, RIGHT, TOP, BOTTOM = 70.0, 700.0, 44.0, 420.0
MARKS = (1e-5, 1e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1, 0.2, 0.4)
# Colours that stay apart for all kinds of colour vision (M. Okabe, K. Ito 2008).
LIGHT = ("#0072b2", "#d55e00", "#009e73", "#aa4499", "#8a6d00")
DARK = ("#56b4e9", "#e69f00", "#2bc99a", "#e08fd0", "#f0e442")

Curve = tuple[Reals, Reals]
"""FMR and FNMR, point by point, FMR rising."""

_probit = NormalDist().inv_cdf


def _style() -> str:
    def colours(chosen: tuple[str, ...]) -> str:
        return "".join(f".plot .c{place}{{stroke:{colour}}}" for place, colour in enumerate(chosen))

    return (
        ".plot{font:13px system-ui,sans-serif}.plot text{fill:#1a1a1a}.plot .paper{fill:#fff}.plot path{fill:none;stroke-width:2}"
        f".plot .axis{{stroke:#1a1a1a}}.plot .grid{{stroke:#d9d9d9}}{colours(LIGHT)}"
        "@media (prefers-color-scheme:dark){.plot text{fill:#e8e8e8}.plot .paper{fill:#161616}.plot .axis{stroke:#e8e8e8}"
        f".plot .grid{{stroke:#444}}{colours(DARK)}}}"
    )


class _Axis:
    def __init__(self, rates: list[float], start: float, end: float) -> None:
        low, high = min(rates, default=0.01), max(rates, default=0.1)
        self.low = max((mark for mark in MARKS if mark <= low), default=MARKS[0])
        self.high = min((mark for mark in MARKS if mark >= high and mark > self.low), default=MARKS[-1])
        self._from, self._start = _probit(self.low), start
        self._scale = (end - start) / (_probit(self.high) - self._from)

    def at(self, rate: float) -> float:
        return self._start + self._scale * (_probit(rate) - self._from)

    def has(self, rate: float) -> bool:
        return self.low <= rate <= self.high


def det(title: str, curves: Mapping[str, Curve]) -> str:
    """One line for each name. Where no error is left there is no line: zero has no place on these scales."""
    points = {name: [(float(x), float(y)) for x, y in zip(*curve, strict=True) if x > 0 and y > 0] for name, curve in curves.items()}
    across = _Axis([x for curve in points.values() for x, _ in curve], LEFT, RIGHT)
    up = _Axis([y for curve in points.values() for _, y in curve], BOTTOM, TOP)
    label = escape(f"{title}: FNMR against FMR of {', '.join(curves)}")
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="plot" role="img" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}">',
        f"<title>{escape(title)}</title><desc>{label}</desc><style>{_style()}</style>",
        f'<rect class="paper" width="{WIDTH}" height="{HEIGHT}"/><text x="{LEFT}" y="24">{escape(title)}</text>',
    ]
    for mark in MARKS:
        text = f"{100 * mark:g}"
        if across.has(mark):
            x = across.at(mark)
            lines.append(f'<path class="grid" d="M{x:.1f} {TOP}V{BOTTOM}"/><text x="{x:.1f}" y="438" text-anchor="middle">{text}</text>')
        if up.has(mark):
            y = up.at(mark)
            lines.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{RIGHT}"/><text x="62" y="{y + 4:.1f}" text-anchor="end">{text}</text>')
    lines.append(f'<path class="axis" d="M{LEFT} {TOP}V{BOTTOM}H{RIGHT}"/>')
    lines.append('<text x="385" y="464" text-anchor="middle">False match rate (FMR), %</text>')
    lines.append('<text transform="translate(18 232) rotate(-90)" text-anchor="middle">False non-match rate (FNMR), %</text>')
    for place, (name, curve) in enumerate(points.items()):
        colour = f"c{place % len(LIGHT)}"
        seen = [f"{across.at(x):.1f} {up.at(y):.1f}" for x, y in curve if across.has(x) and up.has(y)]
        if seen:
            lines.append(f'<path class="{colour}" d="M{"L".join(seen)}"/>')
        y = TOP + 16 + 20 * place
        lines.append(f'<path class="{colour}" d="M480 {y - 4:.0f}H508"/><text x="516" y="{y:.0f}">{escape(name)}</text>')
    return "\n".join([*lines, "</svg>"]) + "\n"
