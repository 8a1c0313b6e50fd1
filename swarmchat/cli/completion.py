"""`swarmchat completion SHELL`. (SCP-08 §2.1)"""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from swarmchat.cli.session import Session, Verb, pass_session


@click.command(cls=Verb)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
@pass_session
def completion(session: Session, context: click.Context, shell: str) -> None:
    """Print a script that completes commands and options; source it from the shell's start file."""
    family = get_completion_class(shell)
    assert family is not None, "click knows these three"
    script = family(context.find_root().command, {}, "swarmchat", "_SWARMCHAT_COMPLETE").source()
    session.output.write(script)
