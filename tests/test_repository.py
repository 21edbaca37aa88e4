"""Files of the repository that no program reads: they agree with what does."""

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]


def lint_commands() -> list[str]:
    """What `make lint` runs, without the interpreter."""
    recipe = re.findall(r"^lint:.*\n((?:\t.*\n?)+)", (ROOT / "Makefile").read_text(), re.M)[0]
    return [line.strip().removeprefix("$(PYTHON) ") for line in recipe.splitlines()]


def test_the_hooks_do_what_lint_does_and_fetch_nothing() -> None:
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert repository["repo"] == "local"
    hooks = [hook["entry"].removeprefix(".venv/bin/python ") for hook in repository["hooks"]]
    plain = [re.sub(r" (\.|--check|--force-exclude)(?= |$)", "", command) for command in [*hooks, *lint_commands()]]
    assert plain[: len(hooks)] == plain[len(hooks) :]
    assert len(hooks) == 3


def test_the_fast_tests_are_all_but_those_marked_slow() -> None:
    makefile = (ROOT / "Makefile").read_text()
    fast, whole = (re.findall(rf"^{target}:.*\n\t(.*)", makefile, re.M)[0] for target in ("test-fast", "test"))
    assert fast == f'{whole} -m "not slow"'
