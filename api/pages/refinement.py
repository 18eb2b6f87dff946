"""How an answer is divided further: which properties are shown beside it, and the query behind each of their values."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from api.access import Permission, Principal
from api.catalogue import Catalogue
from api.operations import cohorts
from catalog.search.conditions import EVERYTHING, Condition, all_of, text_of
from catalog.search.names import Level, well_known
from catalog.search.query import And, Comparison, Has, Under, parse, parse_json
from catalog.search.removal import conjuncts
from ontology.errors import AmbiguousError, InvalidRequestError, NotFoundError

PEOPLE, ACQUISITIONS, HISTOGRAMS = 5, 5, 2
CUSTOMARY = (
    "diagnosis",
    "sex",
    "species",
    "assessment",
    "suffix",
    "modality",
    "magnetic_field_strength",
    "manufacturer",
    "task",
    "tracer",
    "derived",
    "datatype",
)
"""What people look at first, in this order."""
MOST_SHOWN = 24
VALUES, TREE, HISTOGRAM = "values", "tree", "histogram"
_MARKS = {"^": TREE, "~": HISTOGRAM}


@dataclass(frozen=True, slots=True)
class Divider:
    """A property by which the answer is divided on the page.

    Attributes:
        name: The property.
        acquisition: Whether it is said of acquisitions.
        kind: Whether its values are listed, its terms shown as a tree, or its numbers as a histogram.
    """

    name: str
    acquisition: bool = False
    kind: str = VALUES

    @staticmethod
    def write(dividers: Iterable[Divider]) -> str:
        """Return dividers as the page hands them on from one answer to the next."""
        marks = {kind: mark for mark, kind in _MARKS.items()}
        return ",".join(f"{'@' if d.acquisition else ''}{marks.get(d.kind, '')}{d.name}" for d in dividers)

    @classmethod
    def read(cls, text: str) -> tuple[Divider, ...]:
        """Return the dividers that a text names."""
        return tuple(cls._read(part) for part in text.split(",")[:MOST_SHOWN] if part.strip("@~^"))

    @classmethod
    def _read(cls, part: str) -> Divider:
        marked = part.removeprefix("@")
        return cls(marked.lstrip("~^"), part.startswith("@"), _MARKS.get(marked[0], VALUES))


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A value with the query that clicking it asks; ``active`` where the query asks for it already."""

    label: str
    value: Any
    query: str
    count: int | None = None
    active: bool = False
    depth: int = 0
    share: float = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Division:
    """One property of the answer: the links of its values, terms or ranges."""

    divider: Divider
    links: list[Link]
    missing: int | None = None
    low: float | None = None
    high: float | None = None


def dividers(catalogue: Catalogue, principal: Principal) -> tuple[Divider, ...]:
    """Return the properties that divide what the principal may read best."""
    datasets = principal.datasets(Permission.COUNT)
    catalogue.refresh_search()
    found = catalogue.search.facet_properties(datasets=datasets)
    usable = [info for info in found if "number" not in info.kinds or info.name in CUSTOMARY]
    usable.sort(key=lambda info: CUSTOMARY.index(info.name) if info.name in CUSTOMARY else len(CUSTOMARY))
    people = [
        Divider(info.name, kind=TREE if "term" in info.kinds else VALUES)
        for info in usable
        if info.level == "participant" and info.name != "dataset"
    ][:PEOPLE]
    images = [Divider(info.name, acquisition=True) for info in usable if info.level != "participant"]
    return (*people, *_numbers(catalogue, datasets, people), Divider("dataset"), *images[:ACQUISITIONS])


def _numbers(catalogue: Catalogue, datasets: Collection[str] | None, shown: Collection[Divider]) -> list[Divider]:
    """Return the numbers of participants that most of them have, customary ones first."""
    names = {divider.name for divider in shown}
    numbers = [
        info
        for info in catalogue.search.properties(datasets=datasets)
        if info.level == "participant" and "number" in info.kinds and info.name not in names
    ]
    numbers.sort(key=lambda info: (info.name not in well_known(Level.PARTICIPANT), -info.count, info.name))
    return [Divider(info.name, kind=HISTOGRAM) for info in numbers[:HISTOGRAMS]]


def divisions(answer: Mapping[str, Any], shown: Iterable[Divider], titles: Mapping[str, str]) -> list[Division]:
    """Return how an answer divides by each of some properties; those that do not divide it are left out."""
    root = parse_json(answer["query_json"]).root
    found = (_division(root, answer, divider, titles) for divider in shown)
    return [division for division in found if division.links]


def _division(root: Condition, answer: Mapping[str, Any], divider: Divider, titles: Mapping[str, str]) -> Division:
    if divider.kind == HISTOGRAM:
        spread = answer["histograms"].get(divider.name) or {"bins": [], "missing": None, "low": None, "high": None}
        bars = _bars(root, spread)
        return Division(divider=divider, links=bars, missing=spread["missing"], low=spread["low"], high=spread["high"])
    nodes = _branches(answer["trees"].get(divider.name) or [])
    in_tree = {node["value"] for node in nodes}
    values = [value for value in answer["facets"].get(divider.name) or [] if value["value"] not in in_tree]
    return Division(
        divider=divider,
        links=[*_tree(root, divider, nodes), *(_value(root, divider, value, titles) for value in values)],
    )


def _branches(nodes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a tree without a root that says nothing, as nobody has just that; nothing where no branch is left."""
    roots = [node for node in nodes if not node["parents"]]
    if len(roots) == 1 and roots[0]["own"] == 0:
        gone = roots[0]["value"]
        below = [node for node in nodes if node is not roots[0]]
        nodes = [{**node, "parents": [each for each in node["parents"] if each != gone]} for node in below]
    return nodes if any(node["parents"] for node in nodes) else []


def _value(root: Condition, divider: Divider, value: Mapping[str, Any], titles: Mapping[str, str]) -> Link:
    said = value["value"]
    label = ("yes" if said else "no") if isinstance(said, bool) else titles.get(said) or value["label"] or str(said)
    return _link(root, divider, Comparison(divider.name, "=", value["value"]), {**value, "label": label})


def _tree(root: Condition, divider: Divider, nodes: list[dict[str, Any]]) -> list[Link]:
    """Return the terms in the order of their tree; one with two parents comes under the first."""
    below: dict[str, list[dict[str, Any]]] = {}
    for node in nodes:
        below.setdefault(next(iter(node["parents"]), ""), []).append(node)
    found: list[Link] = []
    waiting = [(node, 0) for node in reversed(below.get("", []))]
    while waiting:
        node, depth = waiting.pop()
        if node["count"]:
            found.append(_link(root, divider, Under(divider.name, node["value"]), node, depth=depth))
        waiting += [(child, depth + 1) for child in reversed(below.pop(node["value"], []))]
    return found


def _bars(root: Condition, spread: Mapping[str, Any]) -> list[Link]:
    most = max((each["count"] or 0 for each in spread["bins"]), default=0)
    if not most:
        return []
    return [
        Link(
            label=_range(each, spread["whole"], last=each is spread["bins"][-1]),
            value=each["low"],
            query=_text(_with(root, parse(each["condition"]).root)[0]),
            count=each["count"],
            share=(each["count"] or 0) / most,
        )
        for each in spread["bins"]
    ]


def _range(each: Mapping[str, Any], whole: bool, *, last: bool) -> str:
    low, high = each["low"], each["high"] - (1 if whole and not last else 0)
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def _link(root: Condition, divider: Divider, wanted: Condition, value: Mapping[str, Any], *, depth: int = 0) -> Link:
    query, active = _with(root, Has(wanted) if divider.acquisition else wanted)
    return Link(
        label=value["label"], value=value["value"], query=_text(query), count=value["count"], active=active, depth=depth
    )


def _with(root: Condition, wanted: Condition) -> tuple[Condition, bool]:
    """Return the query with one more condition; without it, if it has it already."""
    parts = root.parts if isinstance(root, And) else (root,)
    active = wanted in parts
    return all_of([part for part in parts if part != wanted] if active else (root, wanted)), active


def _text(query: Condition) -> str:
    return "" if query == EVERYTHING else text_of(query)


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """A condition of a query, what it removes, and the query without it; numbers that are not told are None."""

    condition: str
    alone: int | None
    without: int | None
    gain: int
    query: str


def remedies(found: Mapping[str, Any]) -> list[Remedy]:
    """Return the conditions of a query, the one that removed most first."""
    parts = conjuncts(parse(found["query"]).root)
    listed = [
        Remedy(
            condition=each["condition"],
            alone=each["alone"],
            without=each["without"],
            gain=max(0, (each["without"] or 0) - (found["count"] or 0)),
            query=_text(all_of((*parts[:at], *parts[at + 1 :]))),
        )
        for at, each in enumerate(found["conditions"])
    ]
    return sorted(listed, key=lambda remedy: -remedy.gain)


def labels_of(catalogue: Catalogue, query: Any) -> dict[str, str]:
    """Return the labels of the terms that a query names."""
    found = {}
    for text in _texts(query):
        try:
            label = catalogue.terms.resolve(text).term.label
        except (AmbiguousError, NotFoundError, InvalidRequestError):
            continue
        if label != text:
            found[text] = label
    return found


def _texts(node: Any) -> set[str]:
    """Return the literals of ``under``, and others that are written as CURIEs."""
    if isinstance(node, list):
        return set().union(*(_texts(each) for each in node))
    if isinstance(node, str):
        return {node} if ":" in node else set()
    if not isinstance(node, dict):
        return set()
    arguments = node.get("args") or []
    own = {each for each in arguments if isinstance(each, str)} if node.get("op") == "under" else set()
    return own | _texts(arguments)


def mended(catalogue: Catalogue, query: str, *, field: str, instead: str) -> str:
    """Return a query with what it got wrong replaced: an unknown property, or the term of a property."""
    parsed = cohorts.parse_query(query).json
    return parse_json(_mended(catalogue, parsed, field, instead)).text


def _mended(catalogue: Catalogue, node: Any, field: str, instead: str) -> Any:
    if isinstance(node, list):
        return [_mended(catalogue, each, field, instead) for each in node]
    if not isinstance(node, dict):
        return node
    if node.get("op") == "under" and node["args"][0].get("property") == field:
        return {**node, "args": [node["args"][0], instead if _unclear(catalogue, node["args"][1]) else node["args"][1]]}
    if node.get("property") == field:
        return {"property": instead}
    return {key: _mended(catalogue, value, field, instead) for key, value in node.items()}


def _unclear(catalogue: Catalogue, term: str) -> bool:
    try:
        catalogue.terms.resolve(term)
    except (AmbiguousError, NotFoundError, InvalidRequestError):
        return True
    return False
