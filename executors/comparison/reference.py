"""Reference cases: ``reference.json``, with what goes into a pipeline and what must come out of it.

The format is ``sillage-reference/1`` (``docs/howto/certify-a-pipeline.md``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Final

from executors.comparison.rules import Problem, escaped, rule_problems, unknown
from ontology.errors import ValidationFailedError

FORMAT: Final = "sillage-reference/1"
MEMBERS: Final = ("format", "label", "about", "inputs", "parameters", "expected")
INPUTS, EXPECTED = "inputs/", "expected/"
MOST_FILES: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedOutput:
    """An output that a reference run must write.

    Attributes:
        path: Where the task writes it, below its working folder.
        file: What it should be, in the reference's folder; None where only its presence is asked for.
        compare: How it is compared.
    """

    path: str
    file: str | None
    compare: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Return its members."""
        return {"path": self.path, "file": self.file, "compare": dict(self.compare)}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceCase:
    """A reference case that was found sound.

    Attributes:
        label: What a person reads.
        about: How the data were made, and under which licence they are.
        inputs: Files in the reference's folder, by the pipeline's input.
        parameters: By the pipeline's input.
        expected: What must come out.
    """

    label: str
    about: str
    inputs: Mapping[str, Sequence[str]]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    expected: Sequence[ExpectedOutput]

    @property
    def files(self) -> tuple[str, ...]:
        """Every file that the case needs, sorted."""
        given = {path for paths in self.inputs.values() for path in paths}
        return tuple(sorted(given | {item.file for item in self.expected if item.file is not None}))


def parse_reference(document: Any, files: Collection[str]) -> ReferenceCase:
    """Read a reference case.

    Args:
        document: What ``reference.json`` holds.
        files: The files that lie beside it, by their relative paths.

    Raises:
        ValidationFailedError: It breaks a rule; ``params['problems']`` lists ``{field, detail}`` with JSON pointers
            (RFC 6901).
    """
    refuse(list(_problems(document, files)))
    return ReferenceCase(
        label=document["label"],
        about=document["about"],
        inputs={name: tuple(paths) for name, paths in document["inputs"].items()},
        parameters=dict(document.get("parameters", {})),
        expected=tuple(
            ExpectedOutput(path=item["path"], file=item.get("file"), compare=item["compare"])
            for item in document["expected"]
        ),
    )


def refuse(problems: Sequence[Problem]) -> None:
    """Refuse a reference case that has problems.

    Raises:
        ValidationFailedError: There are some.
    """
    if not problems:
        return
    where, detail = problems[0]
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    raise ValidationFailedError(
        f"the reference case breaks a rule: {f'{where}: ' if where else ''}{detail}{more}",
        field=where or "reference.json",
        params={"problems": [{"field": place, "detail": said} for place, said in problems]},
    )


def _problems(document: Any, files: Collection[str]) -> Iterator[Problem]:
    if not isinstance(document, Mapping):
        yield "", "This is a JSON object."
        return
    yield from unknown(document, MEMBERS, "")
    if document.get("format") != FORMAT:
        yield "/format", f"The format is {FORMAT!r}."
    for name, what in (("label", "What a person reads."), ("about", "How the data were made, and their licence.")):
        text = document.get(name)
        if not isinstance(text, str) or not text.strip():
            yield f"/{name}", f"A text is wanted here: {what}"
    if not isinstance(document.get("parameters", {}), Mapping):
        yield "/parameters", "This is an object of parameters."
    yield from _inputs(document.get("inputs"), files)
    yield from _expected(document.get("expected"), files)


def _inputs(inputs: Any, files: Collection[str]) -> Iterator[Problem]:
    if not isinstance(inputs, Mapping):
        yield "/inputs", "This is an object of lists of files, by input."
        return
    seen: set[str] = set()
    for name, paths in inputs.items():
        where = f"/inputs/{escaped(name)}"
        if not isinstance(paths, list) or not paths or len(paths) > MOST_FILES:
            yield where, f"This is a list of one to {MOST_FILES} files."
            continue
        for number, path in enumerate(paths):
            yield from _file(path, INPUTS, files, f"{where}/{number}")
            if isinstance(path, str) and path in seen:
                yield f"{where}/{number}", f"{path!r} is given twice."
            seen.add(str(path))


def _expected(expected: Any, files: Collection[str]) -> Iterator[Problem]:
    if not isinstance(expected, list) or not expected or len(expected) > MOST_FILES:
        yield "/expected", f"This is a list of one to {MOST_FILES} outputs."
        return
    seen: set[str] = set()
    for number, item in enumerate(expected):
        where = f"/expected/{number}"
        if not isinstance(item, Mapping):
            yield where, "This is an object with path, file and compare."
            continue
        yield from unknown(item, ("path", "file", "compare"), where)
        path = item.get("path")
        if not isinstance(path, str) or not is_inner(path):
            yield f"{where}/path", "This is a path below the task's working folder."
        elif path in seen:
            yield f"{where}/path", f"{path!r} is expected twice."
        seen.add(str(path))
        yield from rule_problems(item.get("compare"), str(path), f"{where}/compare")
        yield from _expected_file(item, files, where)


def _expected_file(item: Mapping[str, Any], files: Collection[str], where: str) -> Iterator[Problem]:
    rule = item.get("compare")
    present = isinstance(rule, Mapping) and rule.get("kind") == "present"
    if item.get("file") is not None or not present:
        yield from _file(item.get("file"), EXPECTED, files, f"{where}/file")


def _file(path: Any, folder: str, files: Collection[str], where: str) -> Iterator[Problem]:
    if not isinstance(path, str) or not path.startswith(folder) or not is_inner(path):
        yield where, f"This is a path that begins with {folder}"
    elif path not in files:
        yield where, f"There is no file {path!r} beside reference.json."


def is_inner(path: str) -> bool:
    """Tell whether a path stays below where it begins, in one spelling."""
    pure = PurePosixPath(path)
    spelled = path and str(pure) == path and not pure.is_absolute()
    return bool(spelled) and ".." not in pure.parts and path.isprintable() and "\\" not in path
