"""The page of a report: one HTML file that needs nothing beside itself."""

from __future__ import annotations

from html import escape

_STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 76rem; margin: 2rem auto; padding: 0 1rem; }
img { width: 100%; background: #000; }
figure { margin: 0 0 1rem; }
figcaption { font-size: 0.85em; opacity: 0.75; }
.facts { display: flex; flex-wrap: wrap; gap: 2rem; align-items: flex-start; }
table { border-collapse: collapse; }
th { text-align: left; font-weight: normal; padding: 0.1rem 1.5rem 0.1rem 0; }
thead th { border-bottom: 1px solid; }
td, th + th { text-align: right; padding: 0.1rem 1.5rem 0.1rem 0; font-variant-numeric: tabular-nums; }
td:last-child, th:last-child { padding-right: 0; }
@media (max-width: 32rem) { th, td, th + th { padding-right: 0.75rem; } }
.remark { border-left: 4px solid #c9792b; padding-left: 0.75rem; }
.ramp { display: inline-block; width: 8rem; height: 0.7em; }
svg { max-width: 100%; }
svg text { font-size: 13px; fill: currentColor; }
"""


def page(title: str, body: str, footer: str) -> str:
    """Return a whole page.

    Args:
        title: Its heading, plain text.
        body: HTML.
        footer: Plain text at its end.
    """
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body><main>"
        f"<h1>{escape(title)}</h1>{body}<footer><p>{escape(footer)}</p></footer></main></body></html>\n"
    )


def remarks_html(remarks: list[str]) -> str:
    """Return what deserves a look, each in a paragraph of its own."""
    return "".join(f'<p class="remark">Worth a look: {escape(text)}</p>' for text in remarks)


def table_html(heading: list[str], rows: list[list[str]]) -> str:
    """Return a table of plain texts; the first cell of a row is its heading, and no heading is no first line."""
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in heading)
    body = "".join(
        f'<tr><th scope="row">{escape(first)}</th>{"".join(f"<td>{escape(cell)}</td>" for cell in cells)}</tr>'
        for first, *cells in rows
    )
    return f"<table>{f'<thead><tr>{head}</tr></thead>' if heading else ''}<tbody>{body}</tbody></table>"


def number(value: float | None, digits: int = 3) -> str:
    """Return a number for people; ``n/a`` for what is not known."""
    return "n/a" if value is None else f"{value:.{digits}g}"
