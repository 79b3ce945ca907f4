"""`mailnode completion`: what a shell needs to complete commands, options, and names of this server.

While a shell completes no command runs: names are read from the configuration as far as it can be read, and
where it cannot there are none.
"""

import os
from collections.abc import Callable, Iterable

import click
from click.shell_completion import CompletionItem, get_completion_class

from mailnode.config import Loaded
from mailnode.config_reading import examine
from mailnode.fs import FileSystem

PROGRAM = "mailnode"
VARIABLE = "_MAILNODE_COMPLETE"
_SHELLS = ("bash", "zsh", "fish")
_WHERE = {
    "bash": "~/.local/share/bash-completion/completions/mailnode",
    "zsh": "a folder of $fpath, as _mailnode",
    "fish": "~/.config/fish/completions/mailnode.fish",
}

Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def _names(which: Callable[[Loaded], Iterable[str]]) -> Complete:
    def complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        path = context.find_root().params.get("path")
        if not isinstance(path, str):
            return []
        try:
            names = which(examine(os.path.abspath(path), FileSystem()).loaded)
        except (OSError, ValueError):
            return []
        return [CompletionItem(name) for name in names if name.startswith(incomplete.lower())]

    return complete


def _everybody(loaded: Loaded) -> Iterable[str]:
    boxes = loaded.mailboxes
    return [*boxes.mailboxes, *boxes.aliases, *boxes.lists]


complete_mailboxes = _names(lambda loaded: loaded.mailboxes.mailboxes)
complete_aliases = _names(lambda loaded: loaded.mailboxes.aliases)
complete_lists = _names(lambda loaded: loaded.mailboxes.lists)
complete_domains = _names(lambda loaded: loaded.config.domains)
complete_addresses = _names(_everybody)


@click.command()
@click.argument("shell", type=click.Choice(_SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print what lets a SHELL complete commands, options and the names of this server.

    \b
    Example:
      mailnode completion bash > ~/.local/share/bash-completion/completions/mailnode
    """
    found = get_completion_class(shell)
    if found is None:
        raise click.ClickException(f"{shell} cannot be completed for here")
    script = found(context.find_root().command, {}, PROGRAM, VARIABLE)
    click.echo(script.source_template % script.source_vars())
    click.echo(f"It belongs into {_WHERE[shell]}", err=True)
