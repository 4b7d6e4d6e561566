"""What README.md and the manual show in code blocks, and how a newcomer would use it.

A page's blocks are worked through from top to bottom in one folder. A block with a title is a file of that
name; the others are run: `sh` a command at a time, as a shell would read it, `python` in one namespace per
page. `text` is shown only. Nothing else is allowed, and neither is a command that nothing here can run.
"""

import re
import shlex
import textwrap
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROGRAM = ["python", "-m", "inbetween"]
PAGES = {
    path.relative_to(ROOT).as_posix(): path
    for path in sorted([*ROOT.glob("*.md"), *ROOT.glob("[a-z]*/**/*.md")])
    if "site" not in path.parts
}
_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>\w*)(?P<rest>[^\n`]*)\n(?P<text>.*?)^(?P=indent)```", re.M | re.S
)
# two ways to write it; the second one is nothing that a formatter takes for Python
_INCLUDE = re.compile(r'^--8<-- "(.+)"$|^--8<--\n(.+)\n--8<--$', re.M)


@dataclass(frozen=True)
class Block:
    """One code block."""

    language: str
    title: str  # the file that it is; empty for what is run or shown
    text: str
    place: str  # "docs/data.md:12"


def blocks(text: str, page: str) -> list[Block]:
    """The code blocks of a Markdown text, with the files that they include."""
    found = []
    for fence in _FENCE.finditer(text):
        title = re.search(r'title="(.+?)"', fence["rest"])
        content = _INCLUDE.sub(
            lambda name: (ROOT / (name[1] or name[2])).read_text().removesuffix("\n"),
            textwrap.dedent(fence["text"]),
        )
        line = text.count("\n", 0, fence.start()) + 1
        found.append(Block(fence["language"], title[1] if title else "", content, f"{page}:{line}"))
    return found


def shell_commands(text: str) -> list[list[str]]:
    """The commands of a `sh` block, as words: a backslash goes on with the next line, `&&` parts commands."""
    lines = text.replace("\\\n", " ").splitlines()
    commands = [shlex.split(part, comments=True) for line in lines for part in line.split("&&")]
    return [command for command in commands if command]


def all_commands() -> list[list[str]]:
    """Every command of every page."""
    pages = (blocks(path.read_text(), page) for page, path in PAGES.items())
    shell = (block for found in pages for block in found if block.language == "sh")
    return [command for block in shell for command in shell_commands(block.text)]
