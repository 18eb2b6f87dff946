"""A balance report as a section of a web page: a table and a drawing for each property, and nothing to fetch."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any, Final

from catalog.cohorts.balance import IMBALANCE
from catalog.cohorts.balance_plots import plot

_HEADS: Final = frozenset({"group", "n", "missing"})


def section(report: Mapping[str, Any]) -> str:
    """Return the report as HTML; it brings its own drawings and relies on the page's style alone."""
    parts = [f'<section class="balance"><h2>Balance by {escape(_spoken(report["against"]))}</h2>']
    parts += [f"<p>{escape(notice)}</p>" for notice in report["notices"]]
    for found in report["properties"]:
        parts.append(f"<h3>{escape(_spoken(found['name']))}</h3><p>{escape(verdict(found))}</p>")
        parts.append(f"<figure>{plot(report, found['name'])}</figure>")
        parts.append(_table(report, found))
    return "".join([*parts, "</section>"])


def verdict(found: Mapping[str, Any]) -> str:
    """Return in one sentence how alike the groups are in a property."""
    largest = found["largest_difference"]
    if largest is None:
        return "The groups cannot be compared: too few values, or no spread."
    size = abs(largest["smd"])
    words = "within" if size <= IMBALANCE else "above"
    said = f"Largest standardised difference {size:.2f}, {words} {IMBALANCE}"
    tested = found.get("association")
    if tested is None:
        return said + "."
    caution = "; expected counts below 5, so p is a rough guide" if tested["small_expected"] else ""
    return (
        f"{said}; chi-square {tested['chi_square']:.2f} ({tested['degrees_of_freedom']} df, p = {tested['p']:.2g}), "
        f"Cramér's V {tested['cramers_v']:.2f}{caution}."
    )


def rows_of(report: Mapping[str, Any], found: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return a property's groups as rows of a table of texts."""
    rows = []
    for head, group in zip(report["groups"], found["groups"], strict=True):
        row = {"group": str(head["label"]), "n": str(group["count"] - group["missing"])}
        if found["kind"] == "number":
            row |= {name: _number(group[name]) for name in ("mean", "sd", "min", "q1", "median", "q3", "max")}
        else:
            counted = zip(found["categories"], group["counts"], strict=True)
            row |= {f"“{name}”" if name in _HEADS else name: str(n) for name, n in counted}
        rows.append({**row, "missing": str(group["missing"])})
    return rows


def _table(report: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    rows = rows_of(report, found)
    heads = list(rows[0]) if rows else []
    unit = f" ({found['unit']})" if found.get("unit") else ""
    caption = f"<caption>{escape(found['name'] + unit)}</caption>"
    top = "".join(f'<th scope="col">{escape(name)}</th>' for name in heads)
    lines = "".join(
        "<tr>"
        + "".join(
            f'<th scope="row">{escape(text)}</th>' if name == "group" else f'<td class="number">{escape(text)}</td>'
            for name, text in row.items()
        )
        + "</tr>"
        for row in rows
    )
    return f'<div class="table"><table>{caption}<thead><tr>{top}</tr></thead><tbody>{lines}</tbody></table></div>'


def _spoken(name: object) -> str:
    return str(name).replace("_", " ")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
