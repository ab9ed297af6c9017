"""`fcnn data`: the data sets that are there, and fetching MNIST."""

from collections.abc import Sequence

import typer

from fcnn.cli.exit_codes import NO_DATA, exit_codes
from fcnn.cli.progress import Bar
from fcnn.data import DataError, DataStatus, download_mnist, status

app = typer.Typer(help="The data sets: what is there, where, and whether it is intact.")


@app.callback(invoke_without_command=True)
def data(context: typer.Context) -> None:
    """Say what is embedded, what is cached and where, and whether the hashes hold."""
    if context.invoked_subcommand is None:
        sets = status()
        typer.echo(report(sets))
        if any(file.present and file.problem for each in sets for file in each.files):
            raise typer.Exit(NO_DATA)


@app.command()
def download() -> None:
    """Fetch all of MNIST into the cache, unless it is there and intact."""
    with exit_codes(), Bar(shown=True) as bar:
        place = status()[1]
        if place.origin == "FCNN_DATA_DIR":
            if not place.intact:
                raise DataError(
                    f"FCNN_DATA_DIR is set, and MNIST is not complete in {place.folder}; "
                    "unset it to use the cache"
                )
            folder = place.folder
        else:
            folder = download_mnist(progress=bar.update)
        bar.close()
        typer.echo(f"MNIST is complete in {folder}")


def report(sets: Sequence[DataStatus]) -> str:
    """What data is there, where, and whether the hashes hold."""
    blocks = []
    for data in sets:
        images = f"{data.train:,} training and {data.test:,} test images"
        if not any(file.present for file in data.files):
            images = "not there; `fcnn data download` fetches it"
        lines = [f"{data.name} ({data.origin}): {images}", f"  {data.folder}"]
        rows = [
            [
                f"  {file.path.name}",
                "" if file.size is None else f"{file.size:,} bytes",
                ("hash holds" if not file.problem else file.problem) if file.present else "missing",
            ]
            for file in data.files
        ]
        width = [max(len(row[i]) for row in rows) for i in range(2)]
        lines += [f"{name:<{width[0]}}  {size:>{width[1]}}  {state}" for name, size, state in rows]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)
