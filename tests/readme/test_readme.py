"""What README.md and the configs tell people to type works.

README's `sh` blocks are read as a shell would: a backslash goes on with the next line, `&&` parts
commands. Those that begin with `python -m inbetween` run in order, in one folder, as a newcomer would run
them, so that a later one finds what an earlier one wrote. They run as they stand but for their size: an
overlay of tiny data behind their own configs, and a tiny backbone in the place of Stable Diffusion.
`my_drawings` stands for a folder of scenes, `my_keyframes` for one of pictures, PATH for one in Anita's
layout. Commands that need the network or start further processes are parsed only.
"""

import re
import shlex
from pathlib import Path

import pytest
import yaml

from inbetween.__main__ import main
from tests.cli.conftest import Run
from tests.conftest import DrawScene
from tests.tiny import write_tiny_backbone

ROOT = Path(__file__).parents[2]
PROGRAM = ["python", "-m", "inbetween"]
QUICK_BENCHMARK = (
    "--config",
    "tiny_compare.yaml",
    "--sizes",
    "32x32:1",
    "--repeats",
    "1",
    "--memory",
    "false",
)
QUICK_BENCHMARK += ("--minterpolate", "false")
TRAINER_COMMANDS = ("fit", "validate", "test", "predict")


def shell_commands(text: str) -> list[list[str]]:
    """The commands of all `sh` blocks of a Markdown text, as words."""
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    commands = [shlex.split(part, comments=True) for line in lines for part in line.split("&&")]
    return [command for command in commands if command]


def ours(commands: list[list[str]]) -> list[list[str]]:
    """Arguments of those that run inbetween."""
    return [command[3:] for command in commands if command[:3] == PROGRAM]


README = (ROOT / "README.md").read_text()


def test_set_up_is_two_commands() -> None:
    lines = [line for line in README.splitlines() if "pip install" in line]
    enter = "python3 -m venv .venv && . .venv/bin/activate"
    assert lines == [
        f"{enter} && pip install -e . && python -m inbetween fit --config exp1.yaml",
        f'{enter} && pip install -e ".[test]" && python -m pytest',
    ]


def test_commands_are_found_as_a_shell_finds_them() -> None:
    text = "```sh\ncd x && python -m inbetween a \\\n  --b 'c d'  # why\n```\n"
    text += "```yaml\npython -m inbetween no\n```\n"
    assert ours(shell_commands(text)) == [["a", "--b", "c d"]]


@pytest.fixture
def newcomer(
    tmp_path: Path, scenes_root: Path, draw_scene: DrawScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Works in a folder with drawings and with what makes commands small."""
    scenes_root.rename(tmp_path / "my_drawings")
    for split in ("train", "val"):
        draw_scene(tmp_path / "anita" / split / f"{split}_cat" / "color" / "walk")
    draw_scene(tmp_path / "my_keyframes", [0, 4, 8])
    monkeypatch.chdir(tmp_path)
    write_tiny_backbone(tmp_path / "sd15")
    monkeypatch.setattr("inbetween.commands.machine.CONVOLUTION", (1, 8, 8))
    monkeypatch.setattr("inbetween.commands.machine.PRODUCT", 64)
    overlay = {
        "size": 32,
        "between": 2,
        "batch_size": 2,
        "val_windows": 2,
        "cache_dir": str(tmp_path / "frames"),
    }
    trainer = {
        "accelerator": "cpu",
        "devices": 1,
        "max_steps": 2,
        "val_check_interval": 2,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "num_sanity_val_steps": 0,
        "log_every_n_steps": 1,
    }
    whole = {"data": overlay, "trainer": trainer}
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(whole))
    (tmp_path / "tiny_compare.yaml").write_text(yaml.safe_dump({"data": overlay}))


def parse(words: list[str]) -> None:
    """Read a command's keys without running it."""
    with pytest.raises(SystemExit) as ended:
        main([*words, "--print_config"])
    assert ended.value.code in (0, None), words


@pytest.mark.filterwarnings("ignore:LPIPS needs the weights")
@pytest.mark.usefixtures("newcomer")
def test_every_command_of_the_readme_works(
    run: Run, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    commands = ours(shell_commands(README))
    assert {"fit", "test", "predict", "compare"} <= {words[0] for words in commands}
    for words in commands:
        words = ["anita" if word == "PATH" else word for word in words]
        if words[0] == "fetch-lpips" or "ddp" in words:
            parse(words)
            continue
        if words[0] == "benchmark":
            run(*words, *QUICK_BENCHMARK)
            assert Path("logs/benchmark/benchmark.json").is_file()
            continue
        if words[0] == "interpolate":
            run(*words)
            told = capsys.readouterr().out.rpartition("frames: ")[2].splitlines()[0]
            folder, _, candidates = told.partition(": candidate_1")  # a folder of each, below
            pictures = list(Path(folder).glob("candidate_*/*.png" if candidates else "*.png"))
            assert len(pictures) > (9 if candidates else 3)
            continue
        run(*words, "--config", "tiny.yaml" if words[0] in TRAINER_COMMANDS else "tiny_compare.yaml")
        out = capsys.readouterr().out
        if words[0] == "fit":
            assert "checkpoint: logs/" in out
        if words[0] == "predict":
            folder = Path(out.rpartition("frames: ")[2].strip())
            assert len(list(folder.rglob("*.png"))) == 2 * 4
        if words[0] == "compare":
            assert Path("logs/compare/compare.png").is_file()


@pytest.mark.slow
@pytest.mark.usefixtures("newcomer")
def test_commands_in_comments_of_configs_are_understood() -> None:
    texts = [path.read_text() for path in sorted((ROOT / "configs").rglob("*.yaml"))]
    found = [line for text in texts for line in re.findall(r"python -m inbetween (.+)", text)]
    assert len(found) >= len(texts)
    for line in found:
        parse(["my_drawings" if word == "PATH" else word for word in shlex.split(line)])
