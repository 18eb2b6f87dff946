"""Laws of task states, over every sequence of events."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from executors.model import Environment, Mount, Resources, TaskContent, TaskInput, TaskOutput, TaskSpec
from executors.serial import dump_spec, load_spec
from executors.states import FINAL, RETRYABLE, EventKind, IllegalTransitionError, TaskState, transition

kinds = st.sampled_from(EventKind)
states = st.sampled_from(TaskState)
words = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=20)


@given(st.lists(kinds, max_size=40))
def test_refused_events_change_nothing_and_ends_are_final(events: list[EventKind]) -> None:
    state = TaskState.UNKNOWN
    for kind in events:
        before = state
        try:
            state = transition(before, kind)
        except IllegalTransitionError:
            continue
        if before in FINAL:
            assert kind is EventKind.RETRY
            assert before in RETRYABLE
            assert state is TaskState.QUEUED
        if kind in (EventKind.WARN, EventKind.PROGRESS):
            assert state is before
        assert state is not TaskState.UNKNOWN


@given(states, kinds)
def test_transition_is_a_function(state: TaskState, kind: EventKind) -> None:
    def outcome() -> TaskState | str:
        try:
            return transition(state, kind)
        except IllegalTransitionError as error:
            return str(error)

    assert outcome() == outcome()


@st.composite
def specs(draw: st.DrawFn) -> TaskSpec:
    places = draw(st.lists(words.map(lambda word: "/inputs/" + word.replace("/", "_")), unique=True, max_size=3))
    return TaskSpec(
        id=draw(words),
        name=draw(words),
        command=tuple(draw(st.lists(words, min_size=1, max_size=4))),
        inputs=tuple(TaskInput(id=place, host_path=Path("/data"), path=place, size=3) for place in places),
        contents=(TaskContent(path="/work/c", content=draw(words)),),
        outputs=(TaskOutput(name=draw(words), path="out/**", optional=draw(st.booleans())),),
        env={"A": draw(words)},
        resources=Resources(cpu_cores=draw(st.integers(1, 64)), ram_gb=draw(st.none() | st.floats(0.1, 64))),
        network=draw(st.booleans()),
        mounts=(Mount(host_path=Path("/p"), path="/pipeline"),),
        environment=Environment(
            kind="python", digest="d", packages=("a==1",), executables={"python": "/env/bin/python"}
        ),
        parameters={"x": draw(st.integers() | words | st.lists(words, max_size=2))},
    )


@given(specs())
def test_descriptions_survive_being_written(spec: TaskSpec) -> None:
    assert load_spec(dump_spec(spec)) == spec
