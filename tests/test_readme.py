"""The README as it stands: every YAML snippet is valid, every command works in a fresh clone, from top to bottom."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from dagster_project.sandbox import DEMO_TODAY, serve
from dagster_project.settings import load_rules

PROJECT = Path(__file__).resolve().parents[1]
README = (PROJECT / "README.md").read_text(encoding="utf-8")
PAGES = [PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md"))]
FENCE = re.compile(r"^( *)```(\w+)\n(.*?)^ *```$", re.M | re.S)
MINUTES = 60


def blocks(page: Path, language: str) -> list[str]:
    return [
        re.sub(f"^{indent}", "", text, flags=re.M)
        for indent, kind, text in FENCE.findall(page.read_text(encoding="utf-8"))
        if kind == language
    ]


SNIPPETS = [(page.name, number, text) for page in PAGES for number, text in enumerate(blocks(page, "yaml"))]


@pytest.mark.parametrize(
    ("page", "number", "text"),
    SNIPPETS,
    ids=lambda value: value if isinstance(value, str) and "\n" not in value else "",
)
def test_every_yaml_snippet_is_a_valid_funnelhouse_yml(tmp_path: Path, page: str, number: int, text: str) -> None:
    (tmp_path / "funnelhouse.yml").write_text(text, encoding="utf-8")
    assert isinstance(yaml.safe_load(text), dict), f"{page}, snippet {number}: not a file as it stands"
    assert load_rules({"FUNNELHOUSE_CONFIG": str(tmp_path / "funnelhouse.yml")}, folder=tmp_path)


def commands() -> list[str]:
    """What stands behind `$ ` in the console blocks, comments cut off."""
    lines = [line for block in blocks(PROJECT / "README.md", "console") for line in block.splitlines()]
    return [line.removeprefix("$ ").partition("  #")[0].strip() for line in lines if line.startswith("$ ")]


@pytest.mark.long
def test_every_command_of_the_readme_works_in_a_fresh_clone(tmp_path: Path) -> None:
    clone = tmp_path / "funnelhouse"
    files = subprocess.run(["git", "ls-files"], cwd=PROJECT, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    for name in filter(None, files):
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(PROJECT / name, clone / name)
    assert commands()[0] == "make run"
    kept = ("PATH", "HOME", "LANG")
    with serve(today=DEMO_TODAY, vendors=("fx",)) as vendors:  # reference rates are on without an account
        environment = {name: os.environ[name] for name in kept if name in os.environ}
        environment |= {
            "EDITOR": "true",
            "FX_ECB_URL": vendors.env["FX_ECB_URL"],
            "FUNNELHOUSE_TODAY": DEMO_TODAY.isoformat(),
        }
        for command in commands():
            done = subprocess.run(
                ["bash", "-c", command],
                cwd=clone,
                env=environment,
                capture_output=True,
                text=True,
                timeout=MINUTES * 60,
                check=False,
            )
            said = done.stdout + done.stderr
            assert done.returncode == 0, f"{command}\n{said[-3000:]}"
            assert "Traceback" not in said, command
