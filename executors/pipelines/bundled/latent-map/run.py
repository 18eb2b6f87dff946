"""latent-map 1.0.0: where patches and people lie in the latent space of a model of anomaly-autoencoder-train.

Usage: python run.py --model model.npz --t1w IMAGE [IMAGE ...] [--flair IMAGE ...] [--points 1500] [--seed 1]
       [--out out]

Writes ``latent-map_patches.tsv``, ``latent-map_scans.tsv``, ``latent-map.json`` and ``latent-map.html``.
Exit codes: 0 done; 65 a file cannot be read (said on standard error; nothing is written); 2 usage.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.dont_write_bytecode = True  # the folder of the pipeline is read-only, and its digest certified
for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")  # sums depend on the number of threads

import numpy as np  # noqa: E402
from embedding import Axes, by_tsne, by_umap, principal_axes  # noqa: E402
from images import UnreadableImageError  # noqa: E402
from network import Model, describe_device, load_model, settle  # noqa: E402
from page import number, page, table_html  # noqa: E402
from plots import labelled, scatter  # noqa: E402
from sampling import Sample, distances, draw  # noqa: E402
from scans import CONTRASTS, TISSUES, load_scan, pair  # noqa: E402

NAME, VERSION = "latent-map", "1.0.0"
BAD_DATA = 65
GROUPS = ("judged", "trained on")
# Axes that t-SNE and UMAP start from: what lies beyond is mostly noise (as their authors advise).
AXES = 20


def main(arguments: list[str] | None = None) -> int:
    """Map the scans given; see the module's text."""
    options = _parse(arguments)
    device = settle(options.seed, threads=1)
    try:
        model = load_model(options.model)
        model.network.to(device)
        samples, channel = sample_all(model, options, device)
    except UnreadableImageError as error:
        print(f"{NAME}: {error}", file=sys.stderr)
        return BAD_DATA
    options.out.mkdir(parents=True, exist_ok=True)
    about = {
        "GeneratedBy": {"Name": NAME, "Version": VERSION},
        "model": options.model.name,
        "form": model.design.form,
        "contrasts": list(CONTRASTS[: channel + 1]),
        "seed": options.seed,
        **describe_device(device),
    }
    write(samples, about, options)
    return 0


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=NAME, description=__doc__.partition("\n")[0])
    parser.add_argument("--model", type=Path, required=True, help="model.npz of anomaly-autoencoder-train")
    parser.add_argument("--t1w", type=Path, nargs="+", required=True, metavar="IMAGE")
    parser.add_argument("--flair", type=Path, nargs="*", default=[], metavar="IMAGE")
    parser.add_argument("--points", type=int, default=1500, help="patches to draw, over all scans")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder to write into (default: %(default)s)")
    options = parser.parse_args(arguments)
    if not 60 <= options.points <= 10_000 or options.seed < 0:
        parser.error("points are from 60 to 10000, and a seed is not negative")
    return options


def sample_all(model: Model, options: argparse.Namespace, device: Any) -> tuple[list[Sample], int]:
    """Read the scans one by one and draw from each.

    Returns:
        The samples, and the last contrast that was shown: FLAIR only when every scan has one.

    Raises:
        UnreadableImageError: An image cannot be read, or a scan has no T1w.
    """
    groups = pair(options.t1w, options.flair)
    bare = next((paths for _, paths in groups if "T1w" not in paths), None)
    if bare:
        raise UnreadableImageError(f"{bare['FLAIR'].name}: the T1w image of the same session is missing.")
    knows_flair = bool(np.isfinite(model.norms[1]).all())
    channel = int(knows_flair and all("FLAIR" in paths for _, paths in groups))
    each = max(3, options.points // len(groups))
    samples = []
    seen: Counter[str] = Counter()
    for place, (name, paths) in enumerate(groups):
        scan = load_scan(name, paths, voxel_mm=model.design.voxel_mm)
        seed = (options.seed, place)
        found = draw(model, scan, channel=channel, count=each, seed=seed, device=device)
        seen[name] += 1
        # Two datasets may each have a sub-01.
        samples.append(found if seen[name] == 1 else replace(found, name=f"{name} ({seen[name]})"))
        print(f"read {place + 1}/{len(groups)}", flush=True)
    return samples, channel


def write(samples: Sequence[Sample], about: Mapping[str, Any], options: argparse.Namespace) -> None:
    """Lay out patches and scans, and write the four files."""
    codes = np.concatenate([sample.codes for sample in samples])
    taught = np.array([sample.taught for sample in samples])
    sizes = [len(sample.codes) for sample in samples]
    base = np.repeat(taught if taught.any() else np.ones_like(taught), sizes)
    axes = principal_axes(codes[base], min(AXES, codes.shape[1]))
    placed = axes.place(codes)
    layouts = {"pca": placed[:, :3], "tsne": by_tsne(placed, options.seed), "umap": by_umap(placed, options.seed)}
    profiles = np.stack([sample.profile for sample in samples])
    away = distances(profiles, taught)
    across = principal_axes(profiles[taught] if taught.sum() > 2 else profiles, 2)
    scans = across.place(profiles)
    _table(options.out / "latent-map_patches.tsv", _patches(samples, layouts))
    _table(options.out / "latent-map_scans.tsv", _scans(samples, scans, away))
    told = {
        **about,
        "scans": len(samples),
        "trained_on": int(taught.sum()),
        "patches": len(codes),
        "explained_by_axes": {"patches": axes.explained[:3], "scans": across.explained},
    }
    text = json.dumps(told, indent=2, allow_nan=False) + "\n"
    (options.out / "latent-map.json").write_text(text, encoding="utf-8")
    html = _report(samples, layouts, scans, away, (axes, across))
    (options.out / "latent-map.html").write_text(html, encoding="utf-8")


def _patches(samples: Sequence[Sample], layouts: Mapping[str, Any]) -> Iterable[Sequence[str]]:
    names = [f"{method}{axis + 1}" for method, points in layouts.items() for axis in range(points.shape[1])]
    yield ["scan", "group", "tissue", "x", "y", "z", *names]
    points = np.concatenate(list(layouts.values()), axis=1)
    row = 0
    for sample in samples:
        for tissue, place in zip(sample.tissues, sample.millimetres, strict=True):
            where = [f"{mm:.1f}" for mm in place]
            yield [sample.name, GROUPS[sample.taught], TISSUES[tissue], *where, *(f"{v:.5g}" for v in points[row])]
            row += 1


def _scans(samples: Sequence[Sample], placed: Any, away: Any) -> Iterable[Sequence[str]]:
    yield ["scan", "group", "patches", "pca1", "pca2", "distance"]
    for sample, (x, y), distance in zip(samples, placed, away, strict=True):
        far = f"{distance:.5g}" if np.isfinite(distance) else "n/a"
        yield [sample.name, GROUPS[sample.taught], str(len(sample.codes)), f"{x:.5g}", f"{y:.5g}", far]


def _table(path: Path, rows: Iterable[Sequence[str]]) -> None:
    path.write_text("".join("\t".join(row) + "\n" for row in rows), encoding="utf-8")


def _report(
    samples: Sequence[Sample], layouts: Mapping[str, Any], scans: Any, away: Any, axes: tuple[Axes, Axes]
) -> str:
    tissues = np.concatenate([sample.tissues for sample in samples])
    taught = np.array([sample.taught for sample in samples], dtype=np.int64)
    groups = np.repeat(taught, [len(sample.codes) for sample in samples])
    percent = [f"{share:.0%}" for share in axes[0].explained]
    titles = {"pca": f"PCA ({percent[0]} and {percent[1]} of the variance)", "tsne": "t-SNE", "umap": "UMAP"}
    words = ("fluid", "grey matter", "white matter")
    body = "<h2>Patches, by tissue</h2>" + _row(
        scatter(titles[m], p[:, :2], tissues, words) for m, p in layouts.items()
    )
    body += "<h2>Patches, by group</h2>" + _row(
        scatter(titles[m], p[:, :2], groups, GROUPS) for m, p in layouts.items()
    )
    order = np.argsort(-np.nan_to_num(away, nan=-1.0), kind="stable")
    rows = [
        [samples[k].name, GROUPS[samples[k].taught], number(None if np.isnan(away[k]) else float(away[k]))]
        for k in order.tolist()
    ]
    shares = " and ".join(f"{share:.0%}" for share in axes[1].explained)
    title = f"PCA of the mean codes of each scan ({shares} of the variance)"
    names = [sample.name for sample in samples]
    body += "<h2>Scans</h2>" + _row(
        [labelled(title, scans, taught, GROUPS, names), table_html(["Scan", "group", "distance"], rows)]
    )
    body += (
        "<p>Distance: how many of their spreads a scan's mean codes lie from those of the training; about one for "
        "people like them. Between points of t-SNE and UMAP only neighbourhood means something, distances do not.</p>"
    )
    return page("Latent space", body, f"{NAME} {VERSION}. A research measure.")


def _row(figures: Iterable[str]) -> str:
    return f'<div class="facts">{"".join(figures)}</div>'


if __name__ == "__main__":
    sys.exit(main())
