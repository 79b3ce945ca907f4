"""What the subcommands of `mailnode` share."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import click

from mailnode.admin.control import ControlError, NotRunning
from mailnode.admin.outside import Outside
from mailnode.config import Loaded
from mailnode.config_reading import Examination, examine
from mailnode.tomlfile import Fault, Mistake
from mailnode.values import frozen

JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@frozen
class Command:
    """What every subcommand has: the path of the configuration and the world."""

    path: str
    outside: Outside

    def configuration(self) -> Loaded:
        """The configuration as far as editing mailboxes needs it.

        It is good enough without a certificate, and without the mailbox of postmaster, which may come next.
        """
        found = examine(self.path, self.outside.files)
        mistakes = [one for one in found.mistakes if not one.key.startswith(("tls.", "postmaster"))]
        if mistakes:
            raise failed(mistakes)
        return found.loaded


class Program(click.Group):
    """All commands; where nobody reads what one writes, it ends with exit code 1 and without a word."""

    def invoke(self, ctx: click.Context) -> Any:
        """click's. A command may have put into words what a file system says; this is no such failure."""
        try:
            return super().invoke(ctx)
        except click.ClickException as error:
            if isinstance(error.__context__, BrokenPipeError):
                raise error.__context__ from None
            raise


def held_against(rule: Callable[[str], str], text: str) -> str:
    """What was typed, as a rule of the configuration's has it. Raises BadParameter."""
    try:
        return rule(text)
    except Fault as fault:
        raise click.BadParameter(f"{text} {fault.text}. {fault.remedy}") from None


def checked(rule: Callable[[str], str]) -> Callable[[click.Context, click.Parameter, Any], Any]:
    """A click callback that does so; an option that is not given stays None."""
    one = partial(held_against, rule)

    def callback(context: click.Context, parameter: click.Parameter, value: Any) -> Any:
        if value is None:
            return None
        return tuple(map(one, value)) if isinstance(value, tuple) else one(value)

    return callback


def failed(mistakes: Sequence[Mistake]) -> click.ClickException:
    """What ends a command that cannot work with such a configuration."""
    return click.ClickException("\n".join(["the configuration has mistakes", *map(str, mistakes)]))


def unanswered(found: Examination, path: str, error: ControlError) -> click.ClickException:
    """What ends a command that no server answers; where that would be stands in the file at `path`."""
    unread = [one for one in found.mistakes if one.file == path and not one.key]
    return failed(unread) if unread and isinstance(error, NotRunning) else click.ClickException(str(error))
