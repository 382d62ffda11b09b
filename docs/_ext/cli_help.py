"""The directive ``cli-help``: a section for each command, with what its ``--help`` prints."""

from __future__ import annotations

import argparse
import os

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from pvae_brian.cli import build_parser

# argparse fits lines to the terminal; a page has none.
_COLUMNS = "80"


class CliHelp(SphinxDirective):
    """Put the help of the program here, and sections with that of each command below."""

    def run(self) -> list[nodes.Node]:
        # No file tells when the commands have changed.
        self.env.note_reread()
        os.environ["COLUMNS"] = _COLUMNS
        parser = build_parser()
        return [
            _literal(parser.format_help()),
            *(self._section(name, command) for name, command in commands_of(parser).items()),
        ]

    def _section(self, name: str, command: argparse.ArgumentParser) -> nodes.section:
        section = nodes.section("", nodes.title(name, name), _literal(command.format_help()))
        section["names"].append(name)
        self.state.document.note_implicit_target(section, section)
        return section


def commands_of(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Parsers by the name of their command; argparse has no public way to them."""
    (commands,) = (a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    return dict(commands.choices)


def _literal(text: str) -> nodes.literal_block:
    return nodes.literal_block(text, text, language="text")


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("cli-help", CliHelp)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
