"""Bundled pipelines as they are registered: each folder with the shared modules, imported by their short names."""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from executors.pipelines.bundled import bundled_files, list_bundled

Importer = Callable[[str], ModuleType]


def _own_modules(folder: Path) -> set[str]:
    return {path.stem for path in folder.glob("*.py")}


@pytest.fixture(scope="session")
def bundled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the pipelines as a catalogue keeps them."""
    root = tmp_path_factory.mktemp("bundled")
    for name in list_bundled():
        (root / name).mkdir()
        for path, content in bundled_files(name).items():
            (root / name / path).write_bytes(content)
    return root


@contextlib.contextmanager
def _importing(folder: Path) -> Iterator[Importer]:
    hidden = {module: sys.modules.pop(module) for module in _own_modules(folder) if module in sys.modules}
    before = sys.dont_write_bytecode
    sys.path.insert(0, str(folder))
    yield importlib.import_module
    sys.path.remove(str(folder))
    sys.dont_write_bytecode = before
    for module in _own_modules(folder):
        sys.modules.pop(module, None)
    sys.modules.update(hidden)


@pytest.fixture
def qc(bundled: Path) -> Iterator[Importer]:
    with _importing(bundled / "image-qc") as importer:
        yield importer


@pytest.fixture
def t2_map(bundled: Path) -> Iterator[Importer]:
    with _importing(bundled / "t2-map") as importer:
        yield importer


@pytest.fixture
def latent(bundled: Path) -> Iterator[Importer]:
    with _importing(bundled / "latent-map") as importer:
        yield importer


@pytest.fixture
def trainer(bundled: Path) -> Iterator[Importer]:
    with _importing(bundled / "anomaly-autoencoder-train") as importer:
        yield importer


@pytest.fixture
def detector(bundled: Path) -> Iterator[Importer]:
    with _importing(bundled / "anomaly-autoencoder") as importer:
        yield importer


@pytest.fixture(scope="session")
def run_pipeline(bundled: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a pipeline's script as a runner does: another process, a bare environment, the working folder current."""

    def run(name: str, *arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(bundled / name / "run.py"), *map(str, arguments)],
            cwd=cwd,
            env={"PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def run_here(bundled: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a pipeline's script in this process: PyTorch is imported once for all tests, and not for each run."""

    def run(name: str, *arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
        said, errors = io.StringIO(), io.StringIO()
        with contextlib.ExitStack() as stack:
            stack.enter_context(contextlib.chdir(cwd))
            stack.enter_context(contextlib.redirect_stdout(said))
            stack.enter_context(contextlib.redirect_stderr(errors))
            importer = stack.enter_context(_importing(bundled / name))
            code = importer("run").main([str(argument) for argument in arguments])
        return subprocess.CompletedProcess([name], code, said.getvalue(), errors.getvalue())

    return run


@pytest.fixture(scope="session")
def phantom() -> Callable[..., tuple[np.ndarray, dict[str, np.ndarray]]]:
    """Make a head of three shells in air: fluid 300 within white matter 1000 within grey matter 700; known noise."""

    def make(*, sigma: float = 20.0, edge: int = 56, seed: int = 7) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        axis = np.arange(edge) - (edge - 1) / 2
        away = np.sqrt(sum(a**2 for a in np.meshgrid(axis, axis, axis, indexing="ij", sparse=True)))
        masks = {"csf": away < 7, "wm": (away >= 7) & (away < 13), "gm": (away >= 13) & (away < 17)}
        signal = 1000 * masks["wm"] + 700 * masks["gm"] + 300 * masks["csf"]
        noise = np.random.default_rng(seed).normal(0, sigma, (2, *signal.shape))
        return np.hypot(signal + noise[0], noise[1]).astype(np.float32), masks

    return make
