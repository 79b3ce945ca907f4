"""mailnode beside its peers, side by side on the same work in one run: `python -m bench --help`."""

import signal
import sys

import click

from bench.limits import limits
from bench.measuring import Result, measure
from bench.phases import WATCH
from bench.report import as_json, into_document, markdown, text
from bench.row import FULL, SHORT
from bench.rows import GROUPS
from mailnode.fs import FileSystem


@click.command()
@click.option("--full", is_flag=True, help="Enough work for figures to keep; else a short form, for a look.")
@click.option("--row", "wanted", multiple=True, metavar="WORDS", help="Only rows whose name holds this.")
@click.option("--list", "only_list", is_flag=True, help="Say which rows there are, and measure nothing.")
@click.option("--json", "json_path", metavar="FILE", help="Write all figures; - for stdout.")
@click.option("--chart", metavar="FILE", help="Draw the ratios into a PNG file (needs the extra `bench`).")
@click.option("--document", metavar="FILE", help="Put the table between the marks of this Markdown file.")
def main(
    full: bool,
    wanted: tuple[str, ...],
    only_list: bool,
    json_path: str | None,
    chart: str | None,
    document: str | None,
) -> None:
    """Measure mailnode beside Postfix and Dovecot, in private directories on loopback ports.

    A ratio says how many times as good as the peer we are. The exit code is 1 where a row failed. What was
    measured before Ctrl-C or SIGTERM is kept, and FILE has at each moment what is known so far. At the end
    it is said where the seconds went.

    Example: python -m bench --row "SMTP in" --row LMTP
    """
    if only_list:
        for group in GROUPS:
            for row in group.rows:
                click.echo(f"{group.name}: {row.name}")
        return
    files = FileSystem()
    if document:
        into_document(files.read(document).decode(), "")  # what cannot be written is said before, not after
    if chart:
        from bench.chart import draw
    scale = FULL if full else SHORT
    to_stdout = json_path == "-"
    found_limits = limits(scale.seconds)

    results: list[Result] = []

    def tell(result: Result) -> None:
        results.append(result)
        if json_path and not to_stdout:
            files.replace(json_path, as_json(results, found_limits, scale.name).encode())
        click.echo(text(result, found_limits), err=to_stdout)
        for note in result.notes:
            click.echo(f"  {note}", err=True)

    interrupted = False
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        measure(GROUPS, scale, wanted, tell)
    except KeyboardInterrupt:
        interrupted = True
        click.echo("interrupted; what was measured before is kept", err=True)
    for line in WATCH.lines():
        click.echo(line, err=True)
    if to_stdout:
        click.echo(as_json(results, found_limits, scale.name), nl=False)
    if document:
        table = markdown(results, found_limits, scale.name)
        files.replace(document, into_document(files.read(document).decode(), table).encode())
    if chart:
        draw(results, chart)
    if interrupted or any("failed" in note for result in results for note in result.notes):
        sys.exit(1)


if __name__ == "__main__":
    main()
