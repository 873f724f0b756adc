"""The documents do not rot: their commands parse, their links lead somewhere, their facts hold."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from tests.conftest import ROOT, hilbench, require_module

from hilbench.boards.catalogue import read_catalogue
from hilbench.cli.app import VERBS, build_parser
from hilbench.resources import data_path
from hilbench.units import REGISTRY

GENERATED = {"exit-codes.md", "metrics.md", "boards.md", "protocol.md"}
PAGES = sorted(
    path for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")) if path.name not in GENERATED
)
BLOCK = re.compile(r"^```(?:sh|bash|console)\n(.*?)^```", re.M | re.S)
INLINE = re.compile(r"`(hilbench [^`\n]+)`")
LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)|<img src=\"([^\"]+)\"")
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def commands(page: Path) -> list[str]:
    """Commands of the shell blocks, and whole ones in the text."""
    text = page.read_text()
    blocks = "\n".join(BLOCK.findall(text)).replace("\\\n", " ")
    lines = [line.split(" #")[0].strip() for line in blocks.splitlines()]
    return [line for line in lines if line and not line.startswith("#")] + INLINE.findall(text)


def check_hilbench(words: list[str]) -> None:
    verb = words[0]
    if verb.startswith("-"):
        assert verb in ("--help", "--version")
        return
    assert verb in VERBS, f"no verb {verb}"
    options = " ".join(words)
    for placeholder in ("|", "…", "..."):
        assert placeholder not in options
    if {"--help"} & set(words):
        return
    if len(words) == 1:  # named, not shown: only the verb counts
        return
    required = (
        [] if "--board" in words or verb not in ("run", "flash", "study") else ["--board", "x"]
    )
    build_parser(verb).parse_args([*words, *required])
    if "--board" in words:
        board = words[words.index("--board") + 1]
        assert board == "ID" or board in read_catalogue(data_path("boards.yaml"))


def check_make(words: list[str]) -> None:
    makefile = ROOT / "Makefile"
    if words[:1] == ["-C"]:
        makefile, words = ROOT / words[1] / "Makefile", words[2:]
    targets = re.findall(r"^([\w-]+):", makefile.read_text(), re.M)
    targets += re.search(r"^BOARDS := (.*)$", makefile.read_text() + "\nBOARDS := ", re.M)[
        1
    ].split()
    assert all(word in targets for word in words if "=" not in word), words


def check_pip(words: list[str]) -> None:
    assert words[0] == "install"
    known = PYPROJECT["project"]["optional-dependencies"]
    for extras in re.findall(r"\[([\w,]+)\]", " ".join(words)):
        assert all(extra in known for extra in extras.split(",")), extras


def check_python(words: list[str]) -> None:
    if words[0] == "-m":
        name = words[1].split(".")
        if name[0] == "hilbench":
            assert (ROOT / "harness" / Path(*name)).with_suffix(".py").exists()
        else:
            assert words[1] in ("pytest", "venv")
    else:
        assert (ROOT / words[0]).exists(), words[0]


def check_pytest(words: list[str]) -> None:
    markers = [m.split(":")[0] for m in PYPROJECT["tool"]["pytest"]["ini_options"]["markers"]]
    for word in words:
        if word.startswith("tests/"):
            assert (ROOT / word).exists(), word
    if "-m" in words:
        named = set(re.findall(r"\w+", words[words.index("-m") + 1])) - {"not", "and", "or"}
        assert named <= set(markers)


#: A command that is not here has no check, so the page may not show it.
CHECKS: dict[str, Callable[[list[str]], None]] = {
    "hilbench": check_hilbench,
    "make": check_make,
    "pip": check_pip,
    "python": check_python,
    "pytest": check_pytest,
    "git": lambda words: None,
    "apt-get": lambda words: None,
    ".ci/run": lambda words: None,
}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_exist(page: Path) -> None:
    for command in commands(page):
        words = shlex.split(command)
        while "=" in words[0] or words[0] == "sudo":
            words = words[1:]
        assert words[0] in CHECKS, f"{page.name}: {command}"
        try:
            CHECKS[words[0]](words[1:])
        except SystemExit:
            pytest.fail(f"{page.name}: `{command}` is not understood")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for groups in LINK.findall(page.read_text()):
        target = next(filter(None, groups))
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_readme_shows_the_commands_and_their_output() -> None:
    text = (ROOT / "README.md").read_text()
    shown = commands(ROOT / "README.md")
    assert {"make run", "make test", "hilbench run --board nucleo-f746"} <= set(shown)
    titles = {spec.title for spec in REGISTRY.values()}
    rows = re.findall(r"^│ (.+?) +│", text, re.M)
    assert len(rows) >= 10
    assert set(rows) <= titles
    assert (ROOT / "docs/images/report.png").stat().st_size < 200_000


@pytest.mark.parametrize("name", ["github-actions.yml", "gitlab-ci.yml"])
def test_ci_recipes_run_commands_that_exist_on_boards_that_exist(name: str) -> None:
    text = (ROOT / "docs/ci" / name).read_text()
    assert isinstance(yaml.safe_load(text), dict)
    catalogue = read_catalogue(data_path("boards.yaml"))
    for board, spec in catalogue.items():
        assert board in text
        assert any(backend in text for backend in spec.backends)
    text = re.sub(r"\$\{\{ matrix\.board \}\}|\"\$BOARD\"", "nucleo-f746", text)
    text = re.sub(r"\$\{\{ matrix\.backend \}\}|\"\$BACKEND\"", "virtual", text)
    lines = re.findall(r"^[ -]*(hilbench .*?)(?: >.*)?$", re.sub(r"\\\n *", "", text), re.M)
    assert len(lines) == 2
    for line in lines:
        check_hilbench(shlex.split(line)[1:])


@pytest.mark.emulated
def test_readme_shows_what_a_run_prints(tmp_path: Path) -> None:
    """The rows that depend on model and data alone, and the lines around the table."""
    require_module("unicorn", "virtual")
    outcome = hilbench("run", "--board", "nucleo-f746", "--backend", "virtual", cwd=tmp_path)
    assert outcome.code == 0, outcome.stderr
    shown = [line.rstrip() for line in (ROOT / "README.md").read_text().splitlines()]
    printed = [line.rstrip() for line in (outcome.stdout + outcome.stderr).splitlines()]
    row = re.compile("│ (Accuracy|Arena|Image|Output mismatches)")
    fixed = [re.sub(" +", " ", line) for line in printed if row.match(line)]
    assert len(fixed) == 4
    assert set(fixed) <= {re.sub(" +", " ", line) for line in shown}
    for line in ("verdict: valid", "  nucleo-f746 is untested on silicon"):
        assert line in shown
        assert line in printed


def test_readme_lists_the_catalogue() -> None:
    """Each board with its backends, and what never ran on silicon says so."""
    lines = (ROOT / "README.md").read_text().splitlines()
    for board in read_catalogue(data_path("boards.yaml")).values():
        (row,) = [line for line in lines if line.startswith(f"| `{board.id}` |")]
        assert ", ".join(board.backends) in row
        assert ("untested on silicon" in row) == (
            "silicon" in board.backends and not board.silicon_tested
        )


def test_a_wrong_command_would_be_found() -> None:
    with pytest.raises(SystemExit):
        check_hilbench(["run", "--board", "nucleo-f746", "--no-such-option"])
    with pytest.raises(AssertionError):
        check_make(["no-such-target"])
