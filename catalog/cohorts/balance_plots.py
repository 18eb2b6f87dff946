"""Balance drawn as SVG (SVG 1.1, with ``title`` and ``desc`` for who cannot see it): no scripts, nothing fetched.

Numbers are one histogram per group, one above the other over the same axis; categories are bars of shares. The
colours are told apart by people with any colour vision (Okabe and Ito), and every part says in words what it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

from ontology.errors import InvalidRequestError

_COLOURS: Final = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#999999")
_WIDTH, _LEFT, _RIGHT, _TOP = 680, 190, 84, 14
_ROW, _BAR, _AXIS, _LINE = 64, 28, 34, 18
_MAX_LABEL: Final = 22
_STYLE: Final = "font:12px system-ui,sans-serif;fill:currentColor"


def plot(report: Mapping[str, Any], name: str) -> str:
    """Return the drawing of one property of a balance report.

    Raises:
        InvalidRequestError: The report has no such property.
    """
    found = next((item for item in report["properties"] if item["name"] == name), None)
    if found is None:
        known = ", ".join(item["name"] for item in report["properties"])
        raise InvalidRequestError(
            f"the report has no property {name!r}", field="plot", next_step=f"It has: {known or 'none'}."
        )
    groups = [group["label"] for group in report["groups"]]
    draw = _histograms if found["kind"] == "number" else _shares
    return draw(found, groups, _against(report))


def _histograms(found: Mapping[str, Any], groups: Sequence[str], against: str) -> str:
    bins = found["bins"]
    # Shares of each group, so that groups of different size can be compared by shape.
    shares = [[item["counts"][at] / max(1, _known(found, at)) for at in range(len(groups))] for item in bins]
    tallest = max((share for row in shares for share in row), default=0.0)
    width = _WIDTH - _LEFT - _RIGHT
    step = width / max(1, len(bins))
    parts: list[str] = []
    for at, label in enumerate(groups):
        base = _TOP + (at + 1) * _ROW - 10
        parts.append(_text(_LEFT - 8, base - 18, _short(label), "end", full=label))
        parts.append(_text(_WIDTH - _RIGHT + 6, base - 18, f"n = {_known(found, at)}", "start"))
        for place, item in enumerate(bins):
            count = item["counts"][at]
            height = (_ROW - 16) * shares[place][at] / tallest if tallest else 0.0
            said = f"{label}: {count} from {item['low']} to {item['high']}"
            if count:
                parts.append(_bar(_LEFT + place * step + 0.5, base - height, step - 1, height, _COLOURS[at % 8], said))
        parts.append(_rule(_LEFT, base, _WIDTH - _RIGHT))
    bottom = _TOP + len(groups) * _ROW
    for value, x in _ticks(bins, step):
        parts.append(_text(x, bottom + 8, f"{value:g}", "middle"))
    unit = f" ({found['unit']})" if found.get("unit") else ""
    parts.append(_text(_LEFT + width / 2, bottom + 26, found["name"] + unit, "middle"))
    described = "; ".join(_described(found, at, label) for at, label in enumerate(groups))
    return _picture(found["name"], f"{found['name']} by {against}", described, bottom + _AXIS, parts)


def _ticks(bins: Sequence[Mapping[str, Any]], step: float) -> list[tuple[float, float]]:
    if not bins:
        return []
    edges = [(item["low"], _LEFT + at * step) for at, item in enumerate(bins)]
    edges.append((bins[-1]["high"], _LEFT + len(bins) * step))
    every = max(1, len(edges) // 8)
    return edges[::every]


def _shares(found: Mapping[str, Any], groups: Sequence[str], against: str) -> str:
    categories = found["categories"]
    width = _WIDTH - _LEFT - _RIGHT
    parts: list[str] = []
    for at, label in enumerate(groups):
        counts, known = found["groups"][at]["counts"], _known(found, at)
        y = _TOP + at * (_BAR + 8)
        parts.append(_text(_LEFT - 8, y + 18, _short(label), "end", full=label))
        parts.append(_text(_WIDTH - _RIGHT + 6, y + 18, f"n = {known}", "start"))
        x = float(_LEFT)
        for place, count in enumerate(counts):
            share = width * count / known if known else 0.0
            said = f"{label}: {categories[place]} {count} of {known}"
            if count:
                parts.append(_bar(x, y, share, _BAR, _COLOURS[place % 8], said, line=True))
                parts += [_on(x + share / 2, y + 18, str(count), place)] if share > 18 else []
            x += share
    bottom = _TOP + len(groups) * (_BAR + 8)
    for place, name in enumerate(categories):
        y = bottom + place * _LINE
        parts.append(_bar(_LEFT, y + 2, 12, 12, _COLOURS[place % 8], name, line=True))
        parts.append(_text(_LEFT + 20, y + 12, name if len(name) <= 60 else name[:59] + "…", "start"))
    described = "; ".join(_described(found, at, label) for at, label in enumerate(groups))
    height = bottom + max(1, len(categories)) * _LINE + 6
    return _picture(found["name"], f"{found['name']} by {against}", described, height, parts)


def _described(found: Mapping[str, Any], at: int, label: str) -> str:
    group = found["groups"][at]
    missing = f", {group['missing']} missing" if group["missing"] else ""
    if found["kind"] == "category":
        shown = ", ".join(f"{name} {n}" for name, n in zip(found["categories"], group["counts"], strict=True) if n)
        return f"{label}: {shown or 'no value'}{missing}"
    if group["mean"] is None:
        return f"{label}: no value{missing}"
    spread = f", standard deviation {group['sd']:.3g}" if group["sd"] is not None else ""
    return f"{label}: {_known(found, at)} values, mean {group['mean']:.3g}{spread}{missing}"


def _known(found: Mapping[str, Any], at: int) -> int:
    group = found["groups"][at]
    return int(group["count"] - group["missing"])


def _against(report: Mapping[str, Any]) -> str:
    return str(report["against"])


def _picture(name: str, title: str, description: str, height: float, parts: Sequence[str]) -> str:
    # Several drawings may stand in one page, and ids must not meet there.
    key = hashlib.sha256(f"{name}\0{title}\0{description}".encode()).hexdigest()[:12]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height:g}" role="img" '
        f'aria-labelledby="t{key} d{key}" style="max-width:100%;height:auto;{_STYLE}">'
        f'<title id="t{key}">{escape(title)}</title><desc id="d{key}">{escape(description)}</desc>'
        + "".join(parts)
        + "</svg>"
    )


def _bar(x: float, y: float, width: float, height: float, colour: str, said: str, *, line: bool = False) -> str:
    stroke = ' stroke="currentColor" stroke-width="0.5"' if line else ""
    return (
        f'<rect x="{x:.2f}" y="{y:.2f}" width="{max(0.0, width):.2f}" height="{height:.2f}" fill="{colour}"{stroke}>'
        f"<title>{escape(said)}</title></rect>"
    )


def _rule(left: float, y: float, right: float) -> str:
    return f'<path d="M{left:g} {y:g}H{right:g}" stroke="currentColor" stroke-width="0.5"/>'


def _text(x: float, y: float, text: str, anchor: str, *, full: str | None = None) -> str:
    more = f"<title>{escape(full)}</title>" if full is not None and full != text else ""
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}">{escape(text)}{more}</text>'


def _on(x: float, y: float, text: str, place: int) -> str:
    """Return a text on a bar, dark on light colours and light on dark ones."""
    ink = "#fff" if place % 8 in (0, 2, 5) else "#000"
    return f'<text x="{x:g}" y="{y:g}" text-anchor="middle" style="fill:{ink}">{escape(text)}</text>'


def _short(text: str) -> str:
    return text if len(text) <= _MAX_LABEL else text[: _MAX_LABEL - 1] + "…"
