"""The code blocks of a Markdown page, with what an HTML comment before a block says it needs."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).resolve().parents[2]
GENERATED = {"docs/reference/commands.md", "docs/reference/settings.md", "docs/reference/api.md"}
PAGES = sorted(
    str(p.relative_to(ROOT))
    for p in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "benchmarks/RESULTS.md"]
    if "lab" not in p.parts
)
NEEDS = {  # why a block is not run as it is printed; its commands must still parse
    "browser": "a person in front of a page",
    "card": "a CUDA card",
    "cluster": "Ray on several machines",
    "data": "a data set or model that does not ship with steer",
    "install": "a fresh machine, or the package index",
    "server": "a chat model or an image API",
    "slow": "minutes: run by `pytest -m slow`",
}
MARKER = re.compile(r"<!-- needs: (\w+) -->")
TITLE = re.compile(r'title="([^"]+)"')


@dataclass(frozen=True)
class Block:
    """One fenced block: its language, the file name in its title, and what it needs."""

    page: str
    line: int
    language: str
    text: str
    title: str | None = None
    needs: str | None = None

    @property
    def where(self) -> str:
        return f"{self.page}:{self.line}"

    def commands(self) -> list[list[str]]:
        """The commands of a shell block as lists of words; comments are left out."""
        commands: list[list[str]] = []
        for line in self.text.replace("\\\n", " ").splitlines():
            lexer = shlex.shlex(line, posix=True, punctuation_chars=";&")
            lexer.whitespace_split, lexer.commenters = True, "#"
            commands.append([])
            for word in lexer:
                if set(word) <= {";", "&"}:
                    commands.append([])
                else:
                    commands[-1].append(word)
        return [c for c in commands if c]


def blocks(page: str) -> list[Block]:
    """All fenced blocks in order. Raises ValueError for a marker that means nothing."""
    found, needs = [], None
    for token in MarkdownIt("commonmark").parse((ROOT / page).read_text()):
        if token.type == "html_block" and (marker := MARKER.search(token.content)):
            needs = marker[1]
            if needs not in NEEDS:
                raise ValueError(f"{page}: '<!-- needs: {needs} -->' is none of {', '.join(NEEDS)}")
        elif token.type == "fence":
            language, _, rest = token.info.partition(" ")
            title = TITLE.search(rest)
            line = token.map[0] + 1 if token.map else 0
            found.append(Block(page, line, language, token.content, title and title[1], needs))
            needs = None
    return found


def inline_code(page: str) -> list[str]:
    """Every piece of `inline code` in the text and tables of a page."""
    tokens = MarkdownIt("commonmark").enable("table").parse((ROOT / page).read_text())
    children = [child for token in tokens for child in token.children or []]
    return [child.content for child in children if child.type == "code_inline"]


def links(page: str) -> list[str]:
    """The targets of links and pictures within the repository, without their anchors."""
    tokens = MarkdownIt("commonmark").enable("table").parse((ROOT / page).read_text())
    children = [child for token in tokens for child in token.children or []]
    targets = [str(c.attrGet("href") or c.attrGet("src") or "") for c in children if c.type in ("link_open", "image")]
    return [t.partition("#")[0] for t in targets if t and not re.match(r"[a-z]+:|#", t)]
