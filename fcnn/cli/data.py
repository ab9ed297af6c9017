"""`fcnn data`: the data sets that are there, and fetching MNIST."""

import typer

from fcnn.cli.exit_codes import NO_DATA, exit_codes
from fcnn.cli.progress import Bar
from fcnn.cli.reports import table
from fcnn.data import DataError, download_mnist, status

app = typer.Typer(help="The data sets: what is there, where, and whether it is intact.")


@app.callback(invoke_without_command=True)
def data(context: typer.Context) -> None:
    """Say what is embedded, what is cached and where, and whether the hashes hold."""
    if context.invoked_subcommand is not None:
        return
    sets = status()
    for number, each in enumerate(sets):
        images = f"{each.train:,} training and {each.test:,} test images"
        if not any(file.present for file in each.files):
            images = "not there; `fcnn data download` fetches it"
        first, *others = [
            [
                f"  {file.path.name}",
                "" if file.size is None else f"{file.size:,} bytes",
                (file.problem or "hash holds") if file.present else "missing",
            ]
            for file in each.files
        ]
        typer.echo("\n" * (number > 0) + f"{each.name} ({each.origin}): {images}\n  {each.folder}")
        typer.echo(table(first, others, left=[0, 2]))
    if any(file.present and file.problem for each in sets for file in each.files):
        raise typer.Exit(NO_DATA)


@app.command()
def download() -> None:
    """Fetch all of MNIST into the cache, unless it is there and intact."""
    with exit_codes(), Bar(shown=True) as bar:
        place = status()[1]
        folder = place.folder
        if place.origin != "FCNN_DATA_DIR":
            folder = download_mnist(progress=bar.update)
        elif not place.intact:
            raise DataError(
                f"FCNN_DATA_DIR is set, and MNIST is not complete in {folder}; "
                "unset it to use the cache"
            )
        bar.close()
        typer.echo(f"MNIST is complete in {folder}")
