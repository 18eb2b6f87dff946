"""The record of a run, and the environment it names."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from executors.attempts.outcome import resource_use
from executors.attempts.watch import Usage
from executors.model import Environment
from executors.pipelines.bundled import bundled_descriptor, list_bundled
from executors.pipelines.environment import check_lock, environment_digest, image_environment, python_environment
from executors.registry import open_runner, runner_names
from ontology.errors import InvalidRequestError, NotFoundError, ValidationFailedError


def test_environment_is_captured_once() -> None:
    first = python_environment()
    assert python_environment() is first
    assert first.kind == "python"
    assert first.python == ".".join(map(str, sys.version_info[:3]))
    assert f"numpy=={__import__('numpy').__version__}" in first.packages
    assert first.digest == environment_digest(python=first.python, packages=list(first.packages))
    assert set(first.executables) == {"python", "python3"}


def test_environment_of_another_interpreter() -> None:
    base = Path(sys.base_prefix) / "bin" / "python3"
    if not base.exists():
        pytest.skip(f"no interpreter at {base}")
    assert python_environment(base).python == python_environment().python
    with pytest.raises(InvalidRequestError):
        python_environment(Path("/usr/bin/true"))


def test_digest_depends_on_content_alone() -> None:
    assert environment_digest(python="3.11", packages=["b==1", "a==2"]) == environment_digest(
        python="3.11", packages=["a==2", "b==1"]
    )
    assert environment_digest(python="3.11", packages=["a==2"]) != environment_digest(python="3.12", packages=["a==2"])


def test_a_lock_is_held_against_what_is_installed() -> None:
    there = Environment(kind="python", packages=("nibabel==5.3", "scikit-image==0.25"))
    check_lock(("nibabel==5.3", "scikit_image==0.25"), there)
    with pytest.raises(ValidationFailedError) as caught:
        check_lock(("nibabel==5.2", "torch==2.6"), there)
    details = [problem["detail"] for problem in caught.value.params["problems"]]
    assert details == ["nibabel==5.2 is wanted; 5.3 is installed.", "torch==2.6 is wanted; it is not installed."]


def test_images_are_named_by_digest() -> None:
    digest = "ab" * 32
    assert image_environment(f"x/y@sha256:{digest}").digest == digest
    with pytest.raises(InvalidRequestError):
        image_environment("x/y:latest")


def test_memory_that_is_only_the_services_own_is_not_the_tasks() -> None:
    unseen = resource_use(Usage(), 0.01, (0.1, 0.2, 50_000_000), own_peak=60_000_000)
    assert (unseen.user_s, unseen.system_s, unseen.max_rss_bytes, unseen.max_rss_source) == (0.1, 0.2, None, None)
    waited = resource_use(Usage(), 1.0, (0.1, 0.2, 80_000_000), own_peak=60_000_000)
    assert (waited.max_rss_bytes, waited.max_rss_source) == (80_000_000, "wait4")
    polled = resource_use(Usage(looks=1, peak_rss=90, user_s=0.5, read_bytes=10), 1.0, None, own_peak=60)
    assert (polled.max_rss_bytes, polled.max_rss_source, polled.read_bytes) == (90, "polled", 10)
    assert (polled.user_s, polled.cpu_source) == (0.5, "polled")


def test_runners_are_found_by_name(tmp_path: Path) -> None:
    assert {"local", "noop"} <= set(runner_names())
    assert open_runner("noop", tmp_path).name == "noop"
    local = open_runner("local", tmp_path, sandbox="none")
    assert local.name == "local"
    local.close()
    with pytest.raises(NotFoundError) as caught:
        open_runner("slrum", tmp_path)
    assert "local" in caught.value.params["names"]


def test_bundled_pipelines() -> None:
    for name in list_bundled():
        assert bundled_descriptor(name).is_file()
    with pytest.raises(NotFoundError):
        bundled_descriptor("../../etc")
