"""Write the synthetic study as BIDS datasets: descriptions, tables, sidecars with inheritance, images."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ontology.errors import ConflictError, InvalidRequestError
from sillage.demo.study.people import Person, draw_people
from sillage.demo.study.sites import SITES, Row, Site

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Progress = Callable[[int, int], None]
_Job = tuple[Path, Site, Person]

_NOTICE = """\
# {title}

Synthetic: nobody was scanned. People were drawn from a random generator; their images are random deformations
of the MNI ICBM 152 nonlinear 2009a symmetric template, with simulated scanners and simulated lesions. Some cells
of the tables are dirty on purpose, as in a real clinic.

The template from which the images derive: Copyright (C) 1993-2009 Louis Collins, McConnell Brain Imaging Centre,
Montreal Neurological Institute, McGill University. Permission to use, copy, modify, and distribute this software
and its documentation for any purpose and without fee is hereby granted, provided that the above copyright notice
appear in all copies. The authors and McGill University make no representations about the suitability of this
software for any purpose. It is provided "as is" without express or implied warranty. The authors are not
responsible for any data loss, equipment damage, property loss, or injury to subjects or patients resulting from
the use or misuse of this software package.
"""


def make_study(
    target: Path,
    *,
    seed: int = 20261121,
    participants: tuple[int, ...] = (22, 20),
    voxel_mm: float = 3.0,
    lesion_masks: bool = False,
    progress: Progress | None = None,
) -> list[Path]:
    """Write two BIDS 1.10 datasets of healthy people and people with multiple sclerosis.

    Args:
        target: Folder to write into; made where it is missing. The datasets become folders of it.
        seed: The same seed writes the same bytes.
        participants: How many people the northern and the coastal site recruit.
        voxel_mm: Edge of a voxel in millimetres.
        lesion_masks: Whether to write the lesions that were drawn, as ``derivatives/lesions`` of each dataset.
        progress: Called after each participant with the number done and the total.

    Returns:
        The folders of the datasets.

    Raises:
        ConflictError: One of the folders exists and is not empty.
        InvalidRequestError: A number is out of range.
        NotInstalledError: The template brain is not installed.
    """
    if len(participants) != len(SITES) or not all(0 < count < 1000 for count in participants):
        raise InvalidRequestError(
            f"Each of the {len(SITES)} sites recruits 1 to 999 participants, not {list(participants)}.",
            field="participants",
        )
    if not 1 <= voxel_mm <= 8:
        raise InvalidRequestError(f"Voxels of {voxel_mm} mm are not between 1 and 8 mm.", field="voxel_mm")
    folders = [_free(target / site.folder) for site in SITES]
    jobs: list[_Job] = []
    for folder, site, count in zip(folders, SITES, participants, strict=True):
        people = draw_people(site.roster, count, seed=seed)
        _write_tables(folder, site, people)
        if lesion_masks:
            from sillage.demo.study.masks import describe_masks

            describe_masks(folder, site)
        jobs += ((folder, site, person) for person in people)
    _write_people(jobs, seed=seed, voxel_mm=voxel_mm, lesion_masks=lesion_masks, progress=progress)
    return folders


def _free(folder: Path) -> Path:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConflictError(
            f"{folder} exists and is not an empty folder.", next_step="Choose another folder, or remove it."
        )
    return folder


def _write_people(
    jobs: list[_Job], *, seed: int, voxel_mm: float, lesion_masks: bool, progress: Progress | None
) -> None:
    from sillage.demo.study.anatomy import load_template

    load_template()  # before the threads, so that they share it

    def write(job: _Job) -> None:
        _write_person(*job, seed=seed, voxel_mm=voxel_mm, lesion_masks=lesion_masks)

    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        for done, _ in enumerate(pool.map(write, jobs), start=1):
            if progress:
                progress(done, len(jobs))


def _write_tables(folder: Path, site: Site, people: list[Person]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "README.md").write_text(_NOTICE.format(title=site.title), encoding="utf-8")
    (folder / "CHANGES").write_text("1.0.0 2026-11-21\n  - First release.\n", encoding="utf-8")
    _write_json(folder / "dataset_description.json", _description(site))
    _write_json(folder / "participants.json", site.dictionary)
    _write_tsv(folder / "participants.tsv", [_identified(person, site.row(person)) for person in people])
    phenotype = site.phenotype
    (folder / "phenotype").mkdir(exist_ok=True)
    _write_json(folder / "phenotype" / f"{phenotype.name}.json", phenotype.dictionary)
    rows = [_identified(person, phenotype.row(person)) for person in people if person.ill]
    if rows:
        _write_tsv(folder / "phenotype" / f"{phenotype.name}.tsv", rows)
    for suffix in ("T1w", "FLAIR"):
        _write_json(folder / f"{suffix}.json", site.top_sidecar(suffix))


def _description(site: Site) -> dict[str, Any]:
    return {
        "Name": site.title,
        "BIDSVersion": "1.10.0",
        "DatasetType": "raw",
        "License": "Free use with the notice in README.md",
        "Authors": ["Sillage Demonstration Study", site.institution],
        "Acknowledgements": "MNI ICBM 152 template, McConnell Brain Imaging Centre, McGill University",
        "ReferencesAndLinks": [
            "Fonov V et al. (2009). Unbiased nonlinear average age-appropriate brain templates from birth to "
            "adulthood. NeuroImage 47:S102. https://doi.org/10.1016/S1053-8119(09)70884-5"
        ],
        "Keywords": list(site.keywords),
        "GeneratedBy": [{"Name": "sillage.demo.study"}],
    }


def _identified(person: Person, row: Row) -> Row:
    return {"participant_id": f"sub-{person.label}", **row}


def _write_person(folder: Path, site: Site, person: Person, *, seed: int, voxel_mm: float, lesion_masks: bool) -> None:
    """Grow one head, scan it and write the images with what their sidecars say beyond the inherited."""
    import numpy as np

    from sillage.demo.study.anatomy import grow_head
    from sillage.demo.study.imaging import flair_signal, scan, t1w_signal, thicken_slices
    from sillage.demo.study.lesions import draw_lesions

    dice = np.random.default_rng([seed, site.roster.first_label, person.number])
    scanner = site.scanners[person.scanner]
    atrophy = 0.001 * max(person.age - 25, 0) + (0.02 if person.ill else 0.0)
    head = grow_head(dice, draw_lesions(dice, person.lesions), voxel_mm=voxel_mm, atrophy=atrophy)
    anat = folder / f"sub-{person.label}" / "anat"
    anat.mkdir(parents=True)
    images, lesion = {"T1w": (t1w_signal(head, scanner), head.affine)}, (head.lesion, head.affine)
    if person.has_flair:
        images["FLAIR"] = flair_signal(head), head.affine
        if scanner.flair_slice_mm:
            slice_mm = max(scanner.flair_slice_mm, voxel_mm)
            images["FLAIR"] = thicken_slices(*images["FLAIR"], slice_mm=slice_mm)
            lesion = thicken_slices(*lesion, slice_mm=slice_mm)
    for suffix, (signal, affine) in images.items():
        stem = anat / f"sub-{person.label}_{suffix}"
        stored = scan(dice, signal, scanner, moved=person.moved)
        _write_image(stem.with_suffix(".nii.gz"), stored, affine)
        own = site.own_sidecar(person, suffix)
        if own:
            _write_json(stem.with_suffix(".json"), own)
    if site.scans:
        _write_scans(folder, person, list(images))
    if lesion_masks:
        from sillage.demo.study.masks import lesion_voxels, mask_path

        _write_image(mask_path(folder, person), lesion_voxels(lesion[0]), lesion[1])


def _write_scans(folder: Path, person: Person, suffixes: Iterable[str]) -> None:
    start = datetime(2024, 3, 4, 9, 0) + timedelta(days=9 * person.number, minutes=7 * person.number)
    rows = [
        {
            "filename": f"anat/sub-{person.label}_{suffix}.nii.gz",
            "acq_time": (start + timedelta(minutes=8 * turn)).isoformat(),
        }
        for turn, suffix in enumerate(suffixes)
    ]
    _write_tsv(folder / f"sub-{person.label}" / f"sub-{person.label}_scans.tsv", rows)


def _write_image(path: Path, stored: NDArray[np.int16], affine: NDArray[np.float64]) -> None:
    path.write_bytes(gzip.compress(_nifti(stored, affine), compresslevel=1, mtime=0))


def _nifti(stored: NDArray[np.int16], affine: NDArray[np.float64]) -> bytes:
    """Return a NIfTI-1 file as bytes: scanner coordinates, millimetres and seconds."""
    import nibabel
    import numpy as np

    image = nibabel.Nifti1Image(np.asfortranarray(stored), affine)
    image.header.set_xyzt_units("mm", "sec")
    image.set_qform(affine, code=1)
    image.set_sform(affine, code=1)
    return bytes(image.to_bytes())


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _write_tsv(path: Path, rows: list[Row]) -> None:
    lines = [list(rows[0]), *(list(row.values()) for row in rows)]
    path.write_text("".join("\t".join(line) + "\n" for line in lines), encoding="utf-8")
