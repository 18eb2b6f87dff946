"""What the crosswalk knows of BIDS: names of columns, meaning of datatypes, sidecar members worth a query."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

DISEASE: Final = "DOID:4"
HEALTHY: Final = "NCIT:C94342"


@dataclass(frozen=True, slots=True, kw_only=True)
class Property:
    """A participant property whose values are terms.

    Attributes:
        roots: Values lie at or below one of these (CURIEs).
        numbers: Whether a bare number is a proper value too (a handedness score).
        reported: Whether a value without a term is worth a line in the report.
    """

    roots: tuple[str, ...]
    numbers: bool = False
    reported: bool = True


CATEGORICAL: Final[dict[str, Property]] = {
    "sex": Property(roots=("PATO:0000047",)),
    "diagnosis": Property(roots=(DISEASE, HEALTHY, "MONDO:0000001", "HP:0000118", "sillage:control-group")),
    "group": Property(roots=("sillage:participant-group", DISEASE), numbers=True, reported=False),
    "handedness": Property(roots=("sillage:handedness",), numbers=True),
    "species": Property(roots=("NCBITaxon:131567",)),
    "strain": Property(roots=("sillage:strain",)),
}
"""Participant properties whose values are terms."""

COLUMNS: Final[dict[str, str]] = {
    alias: name
    for name, aliases in {
        "age": (
            "age years",
            "age yrs",
            "age year",
            "age in years",
            "age y",
            "ages",
            "participant age",
            "subject age",
            "age at scan",
            "age at scan years",
            "age at first scan",
            "age at first scan years",
            "age at session",
            "age at visit",
            "age at baseline",
            "scan age",
        ),
        "sex": ("gender", "biological sex", "sex at birth", "sex assigned at birth", "participant sex"),
        "diagnosis": (
            "dx",
            "diag",
            "diagnoses",
            "disease",
            "clinical diagnosis",
            "primary diagnosis",
            "diagnosis group",
            "dx group",
            "pathology",
        ),
        "handedness": ("hand", "handed", "dominant hand", "hand dominance", "handness"),
        "species": ("organism", "animal species"),
        "strain": ("animal strain", "mouse strain", "rat strain"),
        "group": ("groups", "participant group", "subject group", "study group"),
        "education_years": ("years of education", "education years", "yrs of education", "edu years", "educ years"),
        "site": ("center", "centre", "study site", "scan site", "scanning site", "site id"),
        "weight": ("body weight", "weight kg"),
        "height": ("body height", "height cm"),
        "bmi": ("body mass index",),
    }.items()
    for alias in aliases
}
"""Column names, in words, that mean another property; ``weight_kg`` carries its unit in :data:`COLUMN_UNITS`."""

ANNOTATED: Final[dict[str, str]] = {
    "http://neurobagel.org/vocab/Age": "age",
    "http://neurobagel.org/vocab/Sex": "sex",
    "http://neurobagel.org/vocab/Diagnosis": "diagnosis",
}
"""What a Neurobagel annotation (``IsAbout``) makes of a column."""

MODALITIES: Final[dict[str, str]] = {
    "anat": "nidm:MagneticResonanceImaging",
    "func": "nidm:MagneticResonanceImaging",
    "dwi": "nidm:MagneticResonanceImaging",
    "perf": "nidm:MagneticResonanceImaging",
    "fmap": "nidm:MagneticResonanceImaging",
    "mrs": "nidm:NuclearMagneticResonanceSpectroscopy",
    "pet": "nidm:PositronEmissionTomography",
    "eeg": "nidm:Encephalography",
    "ieeg": "sillage:ieeg",
    "meg": "nidm:Magnetoencephalography",
    "emg": "sillage:emg",
    "nirs": "sillage:nirs",
    "micr": "sillage:microscopy",
    "motion": "sillage:motion-tracking",
    "beh": "sillage:behaviour",
}
"""BIDS datatype to modality (BIDS schema, ``rules.modalities``, in terms)."""

CONTRAST: Final = "nidm:ImageContrastType"
MODALITY: Final = "nidm:AcquisitionModality"

TERMS: Final[dict[str, tuple[str, str]]] = {
    "Manufacturer": ("manufacturer", "sillage:manufacturer"),
    "ManufacturersModelName": ("manufacturers_model_name", "sillage:scanner-model"),
    "TracerName": ("tracer", "sillage:tracer"),
    "BodyPart": ("anatomy", "UBERON:0001062"),
    "BodyPartExamined": ("anatomy", "UBERON:0001062"),
}
"""Sidecar member to property and the root of its terms."""

NUMBERS: Final[dict[str, tuple[str, str]]] = {
    "MagneticFieldStrength": ("magnetic_field_strength", "T"),
    "RepetitionTime": ("repetition_time", "s"),
    "EchoTime": ("echo_time", "s"),
    "InversionTime": ("inversion_time", "s"),
    "FlipAngle": ("flip_angle", "deg"),
    "SliceThickness": ("slice_thickness", "mm"),
    "MultibandAccelerationFactor": ("multiband_acceleration_factor", "1"),
    "ParallelReductionFactorInPlane": ("parallel_reduction_factor_in_plane", "1"),
    "PhaseEncodingSteps": ("phase_encoding_steps", "1"),
    "EffectiveEchoSpacing": ("effective_echo_spacing", "s"),
    "TotalReadoutTime": ("total_readout_time", "s"),
    "PostLabelingDelay": ("post_labeling_delay", "s"),
    "LabelingDuration": ("labeling_duration", "s"),
    "InjectedRadioactivity": ("injected_radioactivity", "MBq"),
    "SamplingFrequency": ("sampling_frequency", "Hz"),
    "PowerLineFrequency": ("power_line_frequency", "Hz"),
    "EEGChannelCount": ("eeg_channel_count", "1"),
    "MEGChannelCount": ("meg_channel_count", "1"),
}
"""Sidecar member with a number to property and UCUM unit (BIDS 1.11, sidecar tables)."""

NUMBER_UNITS: Final[dict[str, str]] = {"InjectedRadioactivity": "InjectedRadioactivityUnits"}
"""Members whose unit another member gives."""

TEXTS: Final[dict[str, str]] = {
    "TaskName": "task_name",
    "PulseSequenceType": "pulse_sequence_type",
    "MRAcquisitionType": "mr_acquisition_type",
    "ScanningSequence": "scanning_sequence",
    "SequenceName": "sequence_name",
    "PhaseEncodingDirection": "phase_encoding_direction",
    "ReceiveCoilName": "receive_coil_name",
    "ArterialSpinLabelingType": "arterial_spin_labeling_type",
    "TracerRadionuclide": "tracer_radionuclide",
    "ModeOfAdministration": "mode_of_administration",
    "EEGReference": "eeg_reference",
    "SampleStaining": "sample_staining",
    "SampleEnvironment": "sample_environment",
}
"""Sidecar member with words to property."""

SIDECAR: Final[tuple[str, ...]] = (*TERMS, *NUMBERS, *NUMBER_UNITS.values(), *TEXTS)
"""All sidecar members that the crosswalk reads."""
