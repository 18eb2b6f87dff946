"""Request bodies and the shapes of answers, as OpenAPI states them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Body(BaseModel):
    """A request body: unknown members are refused, so that a misspelt one is not silently ignored."""

    model_config = ConfigDict(extra="forbid")


class Answer(BaseModel):
    """An answer: more members may come."""

    model_config = ConfigDict(extra="allow")


class RecordAnswer(Answer):
    """Any record."""

    id: str
    type: str
    version: int | None = None
    created: str | None = None


class Listing(Answer):
    """Any listing: pages by cursor."""

    items: list[dict[str, Any]]
    total: int | None
    next: str | None


class ProblemAnswer(Answer):
    """An error (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    instance: str | None = None
    field: str | None = None
    next_step: str | None = None


class RegisterDataset(Body):
    """Register the dataset that lies at a path of the server's machine."""

    path: str = Field(description="Folder on the server's machine.", min_length=1)
    reader: str = Field(default="auto", description="Reader: `auto` or `bids`.")
    in_place: bool = Field(default=False, description="Make it a DataLad dataset where it lies.")
    public: bool = Field(default=False, description="Let anybody read its metadata.")


class Revise(Body):
    """Read a registered dataset again."""

    path: str | None = Field(default=None, description="Where its present state lies; unset: where it was.")


class Reason(Body):
    """Why something is withdrawn."""

    reason: str = Field(min_length=3, max_length=2000)


class RegisteredDataset(Answer):
    """What a registration found."""

    id: str
    version: str | int
    participants: int
    acquisitions: int
    files: int
    problems: list[dict[str, Any]]
    sources: list[dict[str, Any]] = Field(
        default_factory=list,
        description="Datasets here that it says it was made of, each with the command that links their participants.",
    )


class CohortQuery(Body):
    """A query over participants."""

    query: str | dict[str, Any] = Field(description="CQL2 text, or CQL2 JSON.")
    facets: list[str] = Field(default_factory=list, max_length=50)
    histograms: list[str] = Field(default_factory=list, max_length=20, description="Properties with numbers.")
    trees: list[str] = Field(default_factory=list, max_length=20, description="Properties mapped to terms.")
    explain: bool = False
    cursor: str | None = None
    limit: int = Field(default=50, ge=1, le=1000)


class CohortAnswer(Answer):
    """Who matches; ``count`` is null where it is not told, and then ``fewer_than`` says below which number."""

    count: int | None
    items: list[dict[str, Any]]
    facets: dict[str, list[dict[str, Any]]]
    histograms: dict[str, dict[str, Any]] = Field(default_factory=dict)
    trees: dict[str, list[dict[str, Any]]] = Field(default_factory=dict)
    next: str | None


class WhyNotQuery(Body):
    """Which condition of a query takes away how much."""

    query: str | dict[str, Any] = Field(description="CQL2 text, or CQL2 JSON.")
    participant: str | None = Field(default=None, description="Id of a participant who was expected.")


class WhyNotAnswer(Answer):
    """What each condition takes away, and how one participant stands; null is a number that is not told."""

    count: int | None
    conditions: list[dict[str, Any]]
    participant: dict[str, Any] | None = None


class Suggestions(Answer):
    """What may stand at a place of a query."""

    items: list[dict[str, Any]]


class FreezeCohort(Body):
    """Freeze the present answer of a query."""

    query: str | dict[str, Any]
    label: str | None = Field(default=None, max_length=500)


class RegisterPipeline(Body):
    """A Boutiques descriptor with the files that it runs."""

    descriptor: dict[str, Any]
    files: dict[str, str] = Field(default_factory=dict, description="Relative path to content in base64.")
    bundled: str | None = Field(default=None, description="Name of a bundled pipeline, instead of the above.")


class RegisterReference(Body):
    """A reference case with its files."""

    reference: dict[str, Any] = Field(description="What `reference.json` holds.")
    files: dict[str, str] = Field(default_factory=dict, description="Relative path to content in base64.")


class Certify(Body):
    """Run a reference case, and issue a certificate when every output is within tolerance."""

    reference: str | None = Field(default=None, description="Id of a reference case; unset: the newest.")
    runner: str | None = Field(default=None, description="Runner; unset: the catalogue's own.")
    days: int | None = Field(default=None, ge=1, le=3650, description="Days that it holds; unset: as the settings say.")


class Deprecation(Body):
    """Why a version of a pipeline is no longer to be used."""

    reason: str = Field(min_length=3, max_length=2000)
    replaced_by: str | None = Field(default=None, description="The version to use instead: name@version, or id.")


class RunPipeline(Body):
    """Run a pipeline over a cohort, or on inputs named one by one."""

    pipeline: str = Field(description="Name, `name@version` or id.")
    cohort: str | None = None
    inputs: dict[str, list[str]] = Field(
        default_factory=dict,
        description="Input name to ids of files, acquisitions, outputs, tasks or batches, or to paths on the server.",
    )
    select: dict[str, str] = Field(
        default_factory=dict, description="Input name to a further condition on acquisitions (CQL2 text)."
    )
    choose: dict[str, Literal["one", "all", "first", "last", "each"]] = Field(
        default_factory=dict, description="Input name to what is done with several acquisitions that match."
    )
    parameters: dict[str, Any] = Field(default_factory=dict)
    runner: str | None = None
    reuse: bool = Field(default=False, description="Take over the outputs of identical work that is done.")
    allow_leakage: str | None = Field(
        default=None,
        min_length=3,
        max_length=2000,
        description="Why a model may be used on people whom it was trained on; it is kept in the task.",
    )
    resources: dict[str, float] = Field(
        default_factory=dict,
        description="What each task may use where it is not what the pipeline says: cpu_cores, ram_gb, gpus, wall_s.",
    )


class RunPlan(Answer):
    """What a submission would do; nothing was started."""

    type: str
    pipeline: str
    starts: bool = Field(description="Whether anything would be run if it were submitted now.")
    admitted: bool = Field(description="Whether the policy on uncertified pipelines lets it be submitted.")
    certificate: dict[str, Any] = Field(description="How the pipeline version stands.")
    participants: int = Field(description="Members of the cohort.")
    looked_at: int = Field(description="So many of them were planned; of a larger cohort the first.")
    tasks: int
    items: list[dict[str, Any]] = Field(description="The first of these tasks, each with its files.")
    refused_count: int
    refused: list[dict[str, Any]] = Field(description="The first on whom it cannot run, and why.")
    reasons: list[dict[str, Any]] = Field(description="Each reason once, and for how many.")
    leakage: dict[str, Any] | None = Field(description="The worst that was found; null where no model is used.")
    reused_count: int | None = Field(description="Tasks that would take over what was done; null unless asked for.")
    unregistered: list[str] = Field(description="Files given by path that are registered when it starts.")
    remarks: list[str]


class RegisterModel(Body):
    """Register a model that was not trained here."""

    file: str = Field(description="Id of the file with its weights, or a path on the server's machine.")
    architecture: str = Field(min_length=1, max_length=200, description="What kind of model it is.")
    framework: str | None = Field(default=None, max_length=200, description="What it was made with.")
    trained_on: list[str] = Field(default_factory=list, description="Cohorts of those whom it was trained on.")
    ancestors: list[str] = Field(default_factory=list, description="Models that it began from.")
    training_data_unknown: bool = Field(default=False, description="It is not known whom all it was trained on.")


class AddRule(Body):
    """A rule: what comes in and fulfils a condition is given to a pipeline."""

    name: str = Field(description="Small letters, digits and hyphens.")
    when: str | dict[str, Any] = Field(description="Condition on participants: CQL2 text, or CQL2 JSON.")
    pipeline: str = Field(description="Name (its newest version at that time), series, `name@version` or id.")
    parameters: dict[str, Any] = Field(default_factory=dict)
    select: dict[str, str] = Field(default_factory=dict, description="Conditions on acquisitions, by input.")
    choose: dict[str, Literal["one", "all", "first", "last", "each"]] = Field(
        default_factory=dict, description="What is done with several acquisitions that match, by input."
    )
    runner: str | None = None
    existing: bool = Field(default=False, description="Act on what is there already, too.")
    enabled: bool = Field(default=True, description="Act from the start; if not, from when it is enabled.")


class PreviewRule(Body):
    """A rule that nobody has made yet."""

    when: str | dict[str, Any] = Field(description="Condition on participants: CQL2 text, or CQL2 JSON.")
    pipeline: str | None = Field(default=None, description="Look also whether this can be run so.")
    parameters: dict[str, Any] = Field(default_factory=dict)
    select: dict[str, str] = Field(default_factory=dict, description="Conditions on acquisitions, by input.")
    choose: dict[str, Literal["one", "all", "first", "last", "each"]] = Field(
        default_factory=dict, description="What is done with several acquisitions that match, by input."
    )


class RulePreview(Answer):
    """Whom a rule would fire for, and which conditions the others do not meet."""

    query: str
    participants: int
    fires: int
    does_not_match: int
    datasets: list[dict[str, Any]]
    truncated: bool = Field(description="There are more datasets than were looked at; the newest were.")
    fails: list[dict[str, Any]]
    fails_as_a_whole: int = Field(description="So many meet each condition by itself, and not all in one.")


class Reserve(Body):
    """Reserve a DOI."""

    subject: str = Field(description="Id of a dataset, dataset version, cohort or pipeline version.")


class NewPrincipal(Body):
    """Make an agent with a token."""

    name: str = Field(min_length=1, max_length=200)
    role: str | None = None
    dataset: str | None = None
    minimum: int | None = Field(default=None, ge=1, le=1_000_000, description="For `counter`: fewest that are told.")
    days: int | None = Field(default=365, ge=1, le=3650)


class GrantRole(Body):
    """Give an agent a role."""

    agent: str
    role: str
    dataset: str | None = None
    minimum: int | None = Field(default=None, ge=1, le=1_000_000, description="For `counter`: fewest that are told.")
