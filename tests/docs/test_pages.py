"""What README.md, the manual and the configs tell people to type works.

README and each page of `docs/` are followed from top to bottom: `sh` blocks are typed, `python` blocks are
run, blocks with a title are the files that they say. Commands run as they stand but for their size
(`newcomer.py`).
"""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.blocks import PAGES, PROGRAM, ROOT, blocks, shell_commands
from tests.docs.newcomer import Newcomer, parse

# Comparisons of all methods, their speed, a training of every one, and pages that take more than two seconds.
TRAINED = ("spacing-flow", "diffusion", "keyframe-diffusion", "temporal-encoding", "weighted-cross-attention")
LONG = (
    "adapt",
    "animators",
    "app",
    "data",
    "extending",
    "metrics",
    "shards",
    "steering",
    "training",
    "video-lora",
)
SLOW = {
    *("docs/results.md", "docs/speed.md", "benchmarks/README.md"),
    *(f"docs/{name}.md" for name in LONG),
    *(f"docs/methods/{name}.md" for name in TRAINED),
}
README = (ROOT / "README.md").read_text()


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Newcomer]:
    """Has done what README begins with."""
    folder = tmp_path_factory.mktemp("newcomer")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.syspath_prepend(folder)
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        patch.setenv("TORCH_HOME", str(folder / "torch"))
        patch.setattr("inbetween.commands.machine.CONVOLUTION", (1, 8, 8))
        patch.setattr("inbetween.commands.machine.PRODUCT", 64)
        found = Newcomer(folder)
        found.run(["fit", "--config", "first_run.yaml"])
        found.run(["fit", "--config", "exp1.yaml"])  # as getting-started.md does, for the pages that use it
        yield found


@pytest.mark.filterwarnings("ignore:LPIPS needs the weights")
@pytest.mark.parametrize(
    "page", [pytest.param(page, marks=[pytest.mark.slow] * (page in SLOW)) for page in PAGES]
)
def test_a_page_works(newcomer: Newcomer, page: str) -> None:
    newcomer.follow(blocks(PAGES[page].read_text(), page))


def test_all_pages_are_found() -> None:
    assert {"README.md", "CONTRIBUTING.md", "docs/index.md", "docs/methods/dis.md"} <= set(PAGES)
    commands = [words for page in PAGES.values() for words in all_words(page)]
    ours = {words[3] for words in commands if words[:3] == PROGRAM}
    assert {"fit", "test", "predict", "compare", "interpolate"} <= ours


def all_words(page: Path) -> list[list[str]]:
    shell = (block for block in blocks(page.read_text(), page.name) if block.language == "sh")
    return [words for block in shell for words in shell_commands(block.text)]


@pytest.mark.parametrize(
    "block",
    ["```sh\nrm -r logs\n```", "```sh\npip install somebody\n```", "```bash\nls\n```", "```\nls\n```"],
)
def test_what_no_test_runs_is_found(newcomer: Newcomer, block: str) -> None:
    with pytest.raises((pytest.fail.Exception, AssertionError), match=r"page.md:1"):
        newcomer.follow(blocks(block, "page.md"))


def test_commands_are_found_as_a_shell_finds_them() -> None:
    text = "```sh\ncd x && python -m inbetween a \\\n  --b 'c d'  # why\n```\n"
    text += '```yaml title="a.yaml"\npython -m inbetween no\n```\n'
    text += "    ```sh\n    inner\n    ```\n"
    found = blocks(text, "page.md")
    assert [block.language for block in found] == ["sh", "yaml", "sh"]
    assert found[1].title == "a.yaml"
    assert shell_commands(found[0].text) == [["cd", "x"], ["python", "-m", "inbetween", "a", "--b", "c d"]]
    assert shell_commands(found[2].text) == [["inner"]]


def test_set_up_is_two_commands() -> None:
    lines = [line for line in README.splitlines() if "pip install" in line][:2]
    enter = "python3 -m venv .venv && . .venv/bin/activate"
    assert lines == [
        f"{enter} && pip install -e . && python -m inbetween fit --config first_run.yaml",
        f'{enter} && pip install -e ".[test]" && python -m pytest',
    ]


@pytest.mark.slow
@pytest.mark.usefixtures("newcomer")
def test_commands_in_comments_of_configs_are_understood() -> None:
    texts = [path.read_text() for path in sorted((ROOT / "configs").rglob("*.yaml"))]
    found = [line for text in texts for line in re.findall(r"python -m inbetween (.+)", text)]
    assert len(found) >= len(texts)
    for line in found:
        parse(["my_drawings" if word == "PATH" else word for word in shlex.split(line)])
