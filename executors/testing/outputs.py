# ruff: noqa: D102, S101 - tests: their names say what they show, and they assert
"""What a task leaves behind: templates, folders, and what is refused."""

from __future__ import annotations

from executors.model import TaskOutput
from executors.runner import Runner
from executors.states import TaskState
from executors.testing.harness import RunnerSuite, task


class Outputs(RunnerSuite):
    """Collecting outputs."""

    def _refused(self, runner: Runner, script: str, path: str = "out") -> str:
        spec = task(script, outputs=(TaskOutput(name="o", path=path),))
        recorder = self.carry_out(runner, spec)
        assert recorder.states[spec.id] is TaskState.EXECUTOR_ERROR
        assert recorder.last(spec.id).outputs == ()
        return recorder.last(spec.id).reason or ""

    def test_templates(self, real: Runner) -> None:
        spec = task(
            "mkdir -p a/b; touch a/1.json a/b/2.json a/b/3.txt 'a/b/[x].txt' top.json",
            outputs=(
                TaskOutput(name="deep", path="a/**/*.json"),
                TaskOutput(name="flat", path="/work/*.json"),
                TaskOutput(name="folder", path="a/b"),
                TaskOutput(name="literal", path="a/b/[[]x].txt"),
                TaskOutput(name="none", path="nothing-*", optional=True),
            ),
        )
        found = self.carry_out(real, spec).last(spec.id).outputs
        assert [(item.name, item.path) for item in found] == [
            ("deep", "a/1.json"),
            ("deep", "a/b/2.json"),
            ("flat", "top.json"),
            ("folder", "a/b/2.json"),
            ("folder", "a/b/3.txt"),
            ("folder", "a/b/[x].txt"),
            ("literal", "a/b/[x].txt"),
        ]

    def test_missing_output_is_a_failure(self, real: Runner) -> None:
        assert self._refused(real, "true") == "output-missing"

    def test_huge_output_that_takes_no_space_is_refused(self, real: Runner) -> None:
        spec = task(
            "dd if=/dev/zero of=out bs=1 count=1 seek=5000000000",
            outputs=(TaskOutput(name="o", path="out"),),
            limits={"disk_gb": 0.02},
        )
        recorder = self.carry_out(real, spec)
        assert recorder.states[spec.id] is TaskState.EXECUTOR_ERROR
        assert recorder.last(spec.id).reason in ("disk", "exit-code")

    def test_output_without_permissions_is_taken_or_refused(self, real: Runner) -> None:
        """Whoever may read everything takes it; anybody else is refused, and says so."""
        spec = task("echo x >out; chmod 000 out", outputs=(TaskOutput(name="o", path="out"),))
        recorder = self.carry_out(real, spec)
        taken = [output.size for output in recorder.last(spec.id).outputs]
        assert (taken, recorder.last(spec.id).reason) in (([2], None), ([], "output-refused"))

    def test_folder_that_holds_a_link_out_is_refused(self, real: Runner) -> None:
        assert self._refused(real, "mkdir out; echo x >out/fine; ln -s /etc/passwd out/bad") == "output-refused"

    def test_link_within_is_followed(self, real: Runner) -> None:
        spec = task("echo x >real; ln -s /work/real out", outputs=(TaskOutput(name="o", path="out"),))
        recorder = self.carry_out(real, spec)
        assert recorder.last(spec.id).outputs[0].size == 2

    def test_link_out_of_the_folder_is_refused(self, real: Runner) -> None:
        assert self._refused(real, "ln -s /etc/passwd out") == "output-refused"
        assert self._refused(real, "ln -s ../../../../../etc out; true", "out/passwd") == "output-refused"
        assert self._refused(real, "ln -s / deep", "deep/etc/passwd") == "output-refused"

    def test_circle_of_links_is_refused(self, real: Runner) -> None:
        assert self._refused(real, "ln -s b a; ln -s a b", "a") == "output-refused"

    def test_pipe_is_refused(self, real: Runner) -> None:
        assert self._refused(real, "mkfifo out") == "output-refused"

    def test_name_that_is_not_text_is_refused(self, real: Runner) -> None:
        assert self._refused(real, r"touch $(printf 'a\377')", "a*") == "output-refused"
