"""Property names: how they are written, which are built in, and which are known before any data is there.

BIDS 1.11 spells columns in snake_case and sidecar fields in CamelCase; queries use one spelling for both.
"""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum
from functools import lru_cache
from typing import Final


class Level(StrEnum):
    """Whom a property describes."""

    PARTICIPANT = "participant"
    ACQUISITION = "acquisition"


BUILT_IN: Final = frozenset({"id", "label", "dataset"})
"""Names that every participant and acquisition has, and that no column or field can take over."""

ALIASES: Final[dict[Level, dict[str, str]]] = {
    Level.PARTICIPANT: {"participant_id": "label"},
    Level.ACQUISITION: {
        "ses": "session",
        "acq": "acquisition",
        "ce": "ceagent",
        "trc": "tracer",
        "rec": "reconstruction",
        "dir": "direction",
        "inv": "inversion",
        "proc": "processing",
        "desc": "description",
        "res": "resolution",
        "den": "density",
        "seg": "segmentation",
        "hemi": "hemisphere",
    },
}
"""Other names of a property: the short form of BIDS entities, and the first column of ``participants.tsv``."""

INDEX_ENTITIES: Final = frozenset({"run", "echo", "flip", "inversion", "split", "chunk"})
"""BIDS entities whose value is an index (a number, perhaps with leading zeros)."""

WELL_KNOWN: Final[dict[Level, frozenset[str]]] = {
    Level.PARTICIPANT: frozenset(
        [
            "age",
            "sex",
            "handedness",
            "diagnosis",
            "group",
            "species",
            "strain",
            "strain_rrid",
            "weight",
            "height",
            "pathology",
            "education",
            "ethnicity",
            "race",
            "site",
            "scanner",
            "bmi",
            "consent",
            "data_use",
            "phenotype",
            "acq_time",
            "session",
            "disease_duration",
            "onset",
            "treatment",
            "medication",
            "genotype",
            "brain_mass",
            "brain_hemisphere",
            "assessment",
        ]
    ),
    Level.ACQUISITION: frozenset(
        [
            "suffix",
            "datatype",
            "derived",
            "session",
            "task",
            "acquisition",
            "ceagent",
            "tracer",
            "stain",
            "reconstruction",
            "direction",
            "run",
            "echo",
            "flip",
            "inversion",
            "mtransfer",
            "part",
            "processing",
            "space",
            "split",
            "recording",
            "chunk",
            "resolution",
            "density",
            "description",
            "segmentation",
            "hemisphere",
            "atlas",
            "sample",
            "template",
            "modality",
            "contrast",
            "anatomy",
            "scanner",
            "organ",
            "body_part",
            "body_part_details",
            "manufacturer",
            "manufacturers_model_name",
            "device_serial_number",
            "station_name",
            "software_versions",
            "institution_name",
            "institution_address",
            "institutional_department_name",
            "magnetic_field_strength",
            "receive_coil_name",
            "receive_coil_active_elements",
            "gradient_set_type",
            "mr_transmit_coil_sequence",
            "matrix_coil_mode",
            "coil_combination_method",
            "pulse_sequence_type",
            "scanning_sequence",
            "sequence_variant",
            "scan_options",
            "sequence_name",
            "pulse_sequence_details",
            "nonlinear_gradient_correction",
            "mr_acquisition_type",
            "mt_state",
            "spoiling_state",
            "spoiling_type",
            "number_shots",
            "parallel_reduction_factor_in_plane",
            "parallel_acquisition_technique",
            "partial_fourier",
            "partial_fourier_direction",
            "phase_encoding_direction",
            "effective_echo_spacing",
            "total_readout_time",
            "water_fat_shift",
            "echo_train_length",
            "echo_time",
            "echo_time1",
            "echo_time2",
            "inversion_time",
            "slice_timing",
            "slice_encoding_direction",
            "dwell_time",
            "flip_angle",
            "negative_contrast",
            "multiband_acceleration_factor",
            "anatomical_landmark_coordinates",
            "repetition_time",
            "repetition_time_excitation",
            "repetition_time_preparation",
            "volume_timing",
            "task_name",
            "number_of_volumes_discarded_by_scanner",
            "number_of_volumes_discarded_by_user",
            "delay_time",
            "acquisition_duration",
            "acquisition_time",
            "delay_after_trigger",
            "instructions",
            "task_description",
            "cog_atlas_id",
            "cog_poid",
            "b0_field_identifier",
            "b0_field_source",
            "units",
            "intended_for",
            "slice_thickness",
            "spacing_between_slices",
            "pixel_bandwidth",
            "imaging_frequency",
            "imaged_nucleus",
            "percent_phase_fov",
            "protocol_name",
            "series_description",
            "series_number",
            "patient_position",
            "body_part_examined",
            "conversion_software",
            "conversion_software_version",
            "arterial_spin_labeling_type",
            "post_labeling_delay",
            "labeling_duration",
            "background_suppression",
            "m0_type",
            "tracer_name",
            "tracer_radionuclide",
            "injected_radioactivity",
            "injected_mass",
            "mode_of_administration",
            "frame_duration",
            "reconstruction_method",
            "attenuation_correction",
            "pixel_size",
            "magnification",
            "sample_staining",
            "sample_environment",
            "sample_origin",
            "sampling_frequency",
            "power_line_frequency",
            "eeg_reference",
            "eeg_channel_count",
            "meg_channel_count",
            "skull_stripped",
            "generated_by",
            "sources",
            "pipeline",
            "pipeline_version",
        ]
    ),
}
"""Names that are not a mistake even where no value of theirs is in the catalogue (yet)."""

_HUMPS: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_OTHERS: Final = re.compile(r"[^\w.]+")


@lru_cache(maxsize=16_384)
def property_name(raw: str) -> str:
    """Return the one spelling of a property name: ``MagneticFieldStrength`` is ``magnetic_field_strength``."""
    text = unicodedata.normalize("NFKC", raw).strip()
    name = _OTHERS.sub("_", _HUMPS.sub("_", text).casefold()).strip("_")
    return name or "_"


def canonical_name(raw: str, level: Level) -> str:
    """Return the name under which a property of this level is indexed, its aliases followed."""
    name = property_name(raw)
    return ALIASES[level].get(name, name)


@lru_cache(maxsize=65_536)
def fold(text: str) -> str:
    """Return the form in which texts are compared: Unicode NFC, case folded, white space collapsed."""
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())
