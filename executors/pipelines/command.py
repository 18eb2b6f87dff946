"""From a descriptor and values to what is run: argument vector, output paths, configuration files.

Every key is replaced in one pass, so that a value is never searched for keys, and no value is ever parsed
by a shell. A template that is made of words becomes an argument vector; one that uses the shell's own
syntax (``;``, ``|``, ``$``, ...) becomes ``sh -c`` with all values as positional parameters.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from executors.model import TaskContent
from executors.pipelines.conditions import ConditionError, holds

Problem = tuple[str, str]

PIPELINE_FOLDER = "/pipeline"
WORK_FOLDER = "/work"

_SHELL_SYNTAX = frozenset(";&|<>()$`*?~#{}!\n")
_INTERPRETERS = frozenset({"bash", "node", "perl", "python", "python3", "Rscript", "sh"})
_WILD = re.compile(r"([*?\[])")


class CommandError(ValueError):
    """Values from which no command can be made; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """What one run of a pipeline executes.

    Attributes:
        argv: Argument vector, with sandbox paths.
        parameters: Every value, defaults resolved.
        outputs: Template of each active output, relative to the working folder, by output id.
        contents: Configuration files that the descriptor has us write.
        env: Environment variables that the descriptor asks for.
    """

    argv: tuple[str, ...]
    parameters: Mapping[str, Any]
    outputs: Mapping[str, str]
    contents: tuple[TaskContent, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)


class CommandBuilder:
    """Fills the templates of one descriptor with one set of values."""

    def __init__(self, document: Mapping[str, Any], values: Mapping[str, Any], *, own_files: bool) -> None:
        self._document = document
        self._values = values
        self._own_files = own_files
        self._inputs = _by_key(document["inputs"], values)
        listed = document.get("output-files") or []
        self._outputs = {item["id"]: item for item in listed}
        self._output_keys = {item["value-key"]: item for item in listed if item.get("value-key")}
        self._keys = keys_pattern(document)

    def build(self) -> Invocation:
        """Return the invocation.

        Raises:
            CommandError: A required output's path cannot be known, or lies outside the working folder.
        """
        outputs = {}
        for name, output in self._outputs.items():
            template = self._path(output, escape=True)
            if template is None and not output.get("optional", False):
                raise CommandError(f"the path of output {name!r} needs an input that has no value")
            if template is not None:
                outputs[name] = _relative(template, name)
        return Invocation(
            argv=self._argv(),
            parameters=dict(self._values),
            outputs=outputs,
            contents=tuple(self._contents()),
            env={
                item["name"]: self._fill(item["value"], self._plain)
                for item in self._document.get("environment-variables") or []
            },
        )

    def _argv(self) -> tuple[str, ...]:
        template = self._document["command-line"]
        if uses_shell(template, self._keys):
            return self._shell_argv(template)
        words = shlex.split(self._fill(template, lambda key: self._word(key, shlex.quote)))
        if not words:
            raise CommandError("the command line is empty")
        if self._own_files:
            words = _with_own_files(words, shlex.split(template), self._keys)
        return tuple(words)

    def _shell_argv(self, template: str) -> tuple[str, ...]:
        given: list[str] = []

        def parameter(value: str) -> str:
            given.append(value)
            return f'"${{{len(given)}}}"'

        script = self._fill(template, lambda key: self._word(key, parameter))
        return (self._document.get("shell", "/bin/sh"), "-c", script, "sh", *given)

    def _fill(self, template: str, say: Callable[[str], str]) -> str:
        return self._keys.sub(lambda found: say(found[0]), template)

    def _word(self, key: str, quote: Callable[[str], str]) -> str:
        """Return what stands on the command line for a key: flag, separator and quoted value, or nothing."""
        item = self._inputs.get(key) or self._output_keys[key]
        if key in self._inputs:
            if item["id"] not in self._values:
                return ""
            value = self._values[item["id"]]
        else:
            value = self._path(item, escape=False)
        flag = item.get("command-line-flag")
        if item.get("type") == "Flag":
            return flag if value else ""
        if value is None:
            return ""
        text = item.get("list-separator", " ").join(quote(_text(one)) for one in _many(value))
        return text if flag is None else f"{flag}{item.get('command-line-flag-separator', ' ')}{text}"

    def _plain(self, key: str) -> str:
        item = self._inputs.get(key)
        value = self._path(self._output_keys[key], escape=False) if item is None else self._values.get(item["id"], "")
        return " ".join(_text(one) for one in _many(value if value is not None else ""))

    def _path(self, output: Mapping[str, Any], *, escape: bool, within: tuple[str, ...] = ()) -> str | None:
        """Return an output's path; None when it depends on something that has no value.

        Args:
            output: The descriptor's entry.
            escape: Protect wildcards in values, so that only the template's own count.
            within: Outputs whose paths are being made, to notice a circle.
        """
        if output["id"] in within:
            raise CommandError(f"the path of output {output['id']!r} depends on itself")
        template: str | None = output.get("path-template") or self._conditional(output)
        if template is None:
            return None
        missing = False

        def say(found: re.Match[str]) -> str:
            nonlocal missing
            other = self._output_keys.get(found[0])
            if other is not None:
                text = self._path(other, escape=escape, within=(*within, output["id"]))
            else:
                text = self._path_part(self._inputs[found[0]], output, first=found.start() == 0)
                text = _WILD.sub(r"[\1]", text) if escape and text is not None else text
            missing = missing or text is None
            return text or ""

        path = self._keys.sub(say, template)
        if missing:
            return None
        return f"{WORK_FOLDER}/{path}" if output.get("uses-absolute-path") else path

    def _path_part(self, item: Mapping[str, Any], output: Mapping[str, Any], *, first: bool) -> str | None:
        """Return an input's value as part of a path: without the extensions to strip, of a file its name alone."""
        if item["id"] not in self._values:
            return None
        text: str = item.get("list-separator", " ").join(map(_text, _many(self._values[item["id"]])))
        if item["type"] in ("File", "String"):
            for extension in output.get("path-template-stripped-extensions") or []:
                text = text.replace(extension, "")
            if item["type"] == "File" and not first:
                text = posixpath.basename(text)
        return text

    def _conditional(self, output: Mapping[str, Any]) -> str | None:
        known = {item["id"] for item in self._document["inputs"]}
        for choice in output.get("conditional-path-template") or []:
            condition, template = next(iter(choice.items()))
            try:
                if condition == "default" or holds(condition, self._values, known):
                    return str(template)
            except ConditionError as error:
                raise CommandError(str(error)) from error
        return None

    def _contents(self) -> Iterator[TaskContent]:
        for name, output in self._outputs.items():
            lines = output.get("file-template")
            path = self._path(output, escape=False) if lines is not None else None
            if lines is not None and path is not None:
                text = "\n".join(map(self._line, lines))
                yield TaskContent(path=posixpath.join(WORK_FOLDER, _relative(path, name)), content=text)

    def _line(self, template: str) -> str:
        """Return a line of a configuration file; empty when a key in it has no value (as in the library)."""
        for found in self._keys.finditer(template):
            item = self._inputs.get(found[0])
            if item is not None and item["id"] not in self._values:
                return ""
        return self._fill(template, self._in_file)

    def _in_file(self, key: str) -> str:
        """Return a value for a configuration file: words and paths in shell quotes, as the library writes them."""
        item = self._inputs.get(key)
        if item is None:
            return shlex.quote(self._plain(key))
        if item["type"] not in ("File", "String"):
            return self._plain(key)
        separator: str = item.get("list-separator", " ")
        return separator.join(shlex.quote(_text(one)) for one in _many(self._values[item["id"]]))


def keys_pattern(document: Mapping[str, Any]) -> re.Pattern[str]:
    """Return what finds any value key of a descriptor."""
    items = [*document["inputs"], *(document.get("output-files") or [])]
    keys = sorted({item["value-key"] for item in items if item.get("value-key")}, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, keys)) or r"(?!)")


def uses_shell(template: str, keys: re.Pattern[str]) -> bool:
    """Tell whether a command line is more than words: whether a shell must read it."""
    return not _SHELL_SYNTAX.isdisjoint(keys.sub("", template))


def command_problems(document: Mapping[str, Any]) -> list[Problem]:
    """Return what is wrong with a command line that the library does not see."""
    template = document["command-line"]
    keys = keys_pattern(document)
    problems = []
    if not uses_shell(template, keys):
        try:
            shlex.split(template)
        except ValueError:
            problems.append(("/command-line", "A quotation mark is never closed."))
    for found in keys.finditer(template):
        if _is_quoted(template[: found.start()]):
            problems.append(("/command-line", f"{found[0]} stands inside quotation marks; values are quoted by us."))
    problems += _literal_problems(document, shell=uses_shell(template, keys))
    for number, output in enumerate(document.get("output-files") or []):
        if any(len(choice) != 1 for choice in output.get("conditional-path-template") or []):
            problems.append((f"/output-files/{number}", "Each choice of a path is one condition with one template."))
    return problems


def _literal_problems(document: Mapping[str, Any], *, shell: bool) -> Iterator[Problem]:
    """Yield flags and separators that would be read as more than text."""
    refused = frozenset("'\"\\\0") | (_SHELL_SYNTAX if shell else frozenset())
    for section in ("inputs", "output-files"):
        for number, item in enumerate(document.get(section) or []):
            for name in ("command-line-flag", "command-line-flag-separator", "list-separator"):
                if not refused.isdisjoint(item.get(name) or ""):
                    yield f"/{section}/{number}/{name}", "This may not hold quotation marks or shell syntax."


def _is_quoted(before: str) -> bool:
    """Tell whether text that follows ``before`` is inside quotation marks (POSIX shell, 2.2)."""
    mark, escaped = "", False
    for letter in before:
        if escaped:
            escaped = False
        elif letter == "\\" and mark != "'":
            escaped = True
        elif letter in "'\"" and mark in ("", letter):
            mark = "" if mark else letter
    return bool(mark)


def _with_own_files(words: list[str], template: list[str], keys: re.Pattern[str]) -> list[str]:
    """Point to the pipeline's folder where the command line names a file of it."""
    script = own_script(template, keys)
    if script is None:
        return words
    place = _place_of_script(template)
    return [*words[:place], posixpath.join(PIPELINE_FOLDER, posixpath.normpath(script)), *words[place + 1 :]]


def own_script(template: list[str], keys: re.Pattern[str]) -> str | None:
    """Return the file of its own that a pipeline's command line runs: the script of an interpreter, or ``./tool``.

    Args:
        template: Words of the command line.
        keys: What finds a value key; where one stands before the script or in it, nothing is known.
    """
    place = _place_of_script(template)
    if place >= len(template) or keys.search("".join(template[: place + 1])):
        return None
    word = template[place]
    return None if word.startswith(("/", "-")) or (place == 0 and "/" not in word) else word


def _place_of_script(template: list[str]) -> int:
    return 1 if template and template[0] in _INTERPRETERS else 0


def leads_out(path: str) -> bool:
    """Tell whether a path, taken from the working folder, lies outside of it."""
    relative = posixpath.relpath(posixpath.join(WORK_FOLDER, path), WORK_FOLDER)
    return relative == ".." or relative.startswith("../")


def _relative(path: str, name: str) -> str:
    if leads_out(path):
        raise CommandError(f"output {name!r} would lie outside the working folder")
    return posixpath.relpath(posixpath.join(WORK_FOLDER, path), WORK_FOLDER)


def _by_key(inputs: Sequence[Mapping[str, Any]], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return inputs by value key; of several that exclude each other, the one that has a value."""
    found: dict[str, Any] = {}
    for item in inputs:
        key = item.get("value-key")
        if key and (key not in found or item["id"] in values):
            found[key] = item
    return found


def _many(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _text(value: Any) -> str:
    return str(value)
