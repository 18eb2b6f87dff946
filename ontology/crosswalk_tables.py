"""What the crosswalk knows of BIDS: names of columns, meaning of datatypes, sidecar members worth a query."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

DISEASE: Final = "DOID:4"
HEALTHY: Final = "NCIT:C94342"
ASSESSMENT: Final = "sillage:assessment"
TASK: Final = "sillage:task"


_OBO: Final = "http://purl.obolibrary.org/obo/"
_SNOMED: Final = "http://purl.bioontology.org/ontology/SNOMEDCT/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Property:
    """A participant property whose values are terms.

    Attributes:
        roots: Values lie at or below one of these (CURIEs).
        numbers: Whether a bare number is a proper value too (a handedness score).
        reported: Whether a value without a term is worth a line in the report.
        words: Words that mean a term in this property alone (small letters, to CURIEs): a ``control`` in a column
            of diagnoses has none of them.
    """

    roots: tuple[str, ...]
    numbers: bool = False
    reported: bool = True
    words: Mapping[str, str] = field(default_factory=dict)


_NO_DIAGNOSIS: Final = ("control", "controls", "control subject", "control group", "ctrl", "ctl")


CATEGORICAL: Final[dict[str, Property]] = {
    "sex": Property(roots=("PATO:0000047",), words={"o": "sillage:sex-other", "other": "sillage:sex-other"}),
    "diagnosis": Property(
        roots=(DISEASE, HEALTHY, "MONDO:0000001", "HP:0000118"), words=dict.fromkeys(_NO_DIAGNOSIS, HEALTHY)
    ),
    "group": Property(roots=("sillage:participant-group", DISEASE), numbers=True, reported=False),
    "handedness": Property(roots=("sillage:handedness",), numbers=True, words={"a": "sillage:ambidextrous"}),
    "species": Property(roots=("NCBITaxon:131567",)),
    "strain": Property(roots=("sillage:strain",)),
    "sample_type": Property(roots=("sillage:sample-type",)),
    "assessment": Property(roots=(ASSESSMENT,)),
    "data_use": Property(roots=("DUO:0000001", "DUO:0000017")),
}
"""Participant properties whose values are terms."""

_AGES: Final = {"mo": ("mo", "month", "months"), "wk": ("wk", "wks", "week", "weeks"), "d": ("day", "days")}

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
        "body_temperature": ("body temp", "core temperature"),
        "moca": ("mo ca",),
    }.items()
    for alias in aliases
}
"""Column names, in words, that mean another property; ``weight_kg`` carries its unit in :data:`COLUMN_UNITS`."""

COLUMN_UNITS: Final[dict[str, str]] = {"weight kg": "kg", "height cm": "cm"}
"""Unit that a column's name states, where its data dictionary states none."""

MEASURED_COLUMNS: Final[dict[str, tuple[str, str]]] = {
    **{f"age {word}": ("age", unit) for unit, words in _AGES.items() for word in words},
    **{f"age in {word}": ("age", unit) for unit, words in _AGES.items() for word in words},
    "weight g": ("weight", "g"),
    "weight lb": ("weight", "[lb_av]"),
    "weight lbs": ("weight", "[lb_av]"),
    "height m": ("height", "m"),
    "height in": ("height", "[in_i]"),
    "height inches": ("height", "[in_i]"),
}
"""Columns whose name says another unit than the property's own: to property and UCUM code.

Such a column keeps its name, under which its numbers stay as they stand, and states the property beside it.
"""

OWN_UNITS: Final[dict[str, str]] = {
    "age": "a",
    "follow_up": "a",
    "follow_up_same_scanner": "a",
    "weight": "kg",
    "height": "cm",
    "body_temperature": "Cel",
    "magnetic_field_strength": "T",
    "repetition_time": "s",
    "echo_time": "s",
    "inversion_time": "s",
    "post_labeling_delay": "s",
    "labeling_duration": "s",
    "slice_thickness": "mm",
    "injected_radioactivity": "MBq",
    "injected_mass": "ug",
    "sampling_frequency": "Hz",
}
"""Properties whose numbers are compared in one unit (UCUM): those of people, and those of the tables below."""

ANNOTATED: Final[dict[str, str]] = {
    iri: name
    for name, iris in {
        "age": (
            "http://neurobagel.org/vocab/Age",
            f"{_OBO}PATO_0000011",
            f"{_OBO}NCIT_C25150",
            f"{_SNOMED}397669002",
            f"{_SNOMED}424144002",
        ),
        "sex": (
            "http://neurobagel.org/vocab/Sex",
            f"{_OBO}PATO_0000047",
            f"{_OBO}PATO_0001894",
            f"{_OBO}NCIT_C28421",
            f"{_OBO}NCIT_C17357",
            f"{_SNOMED}263495000",
        ),
        "diagnosis": ("http://neurobagel.org/vocab/Diagnosis", f"{_OBO}NCIT_C15220", f"{_SNOMED}439401001"),
        "weight": (f"{_OBO}PATO_0000128", f"{_OBO}NCIT_C25208", f"{_SNOMED}27113001"),
        "height": (f"{_OBO}PATO_0000119", f"{_OBO}NCIT_C25347", f"{_SNOMED}50373000"),
        "bmi": (f"{_OBO}NCIT_C16358", f"{_SNOMED}60621009"),
    }.items()
    for iri in iris
}
"""What a column is about (``IsAbout`` of Neurobagel, ``TermURL`` of BIDS) to the customary name of the property."""

IS_ASSESSMENT: Final = "http://neurobagel.org/vocab/Assessment"
"""What a Neurobagel annotation says of a column that is an item of an instrument, which ``IsPartOf`` names."""

SCORE_NAMES: Final[dict[str, str]] = {
    "nidm:PositiveAndNegativeSyndromeScale": "panss",
    "nidm:EdinburghHandnessTest": "edinburgh_handedness_inventory",
    "sillage:iq-full-scale": "full_scale_iq",
}
"""Instruments whose score has a customary name that is not made from its term."""

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
    "TracerRadionuclide": ("tracer_radionuclide", "sillage:radionuclide"),
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
    "InjectedMass": ("injected_mass", ""),
    "MolarActivity": ("molar_activity", ""),
    "SpecificRadioactivity": ("specific_radioactivity", ""),
    "TracerMolecularWeight": ("tracer_molecular_weight", ""),
    "SamplingFrequency": ("sampling_frequency", "Hz"),
    "PowerLineFrequency": ("power_line_frequency", "Hz"),
    "EEGChannelCount": ("eeg_channel_count", "1"),
    "MEGChannelCount": ("meg_channel_count", "1"),
}
"""Sidecar member with a number to property and UCUM unit (BIDS 1.11, sidecar tables); empty where none is fixed."""

NUMBER_UNITS: Final[dict[str, str]] = {
    name: f"{name}Units"
    for name in (
        "InjectedRadioactivity",
        "InjectedMass",
        "MolarActivity",
        "SpecificRadioactivity",
        "TracerMolecularWeight",
    )
}
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
    "ModeOfAdministration": "mode_of_administration",
    "EEGReference": "eeg_reference",
    "SampleStaining": "sample_staining",
    "SampleEnvironment": "sample_environment",
}
"""Sidecar member with words to property."""

SIDECAR: Final[tuple[str, ...]] = (*TERMS, *NUMBERS, *NUMBER_UNITS.values(), *TEXTS)
"""All sidecar members that the crosswalk reads."""

ROOTS: Final[dict[str, tuple[str, ...]]] = {
    **{name: rule.roots for name, rule in CATEGORICAL.items()},
    **{name: (root,) for name, root in TERMS.values()},
    "contrast": (CONTRAST,),
    "modality": (MODALITY,),
    "task": (TASK,),
}
"""Property to the roots below which its values lie (CURIEs): a word that means several things means one of these."""
