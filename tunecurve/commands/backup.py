"""`tunecurve backup` and `tunecurve restore`: an installation on this machine as one folder."""

from pathlib import Path
from typing import Annotated, Any

import typer

from tunecurve.commands.options import DataDirOption
from tunecurve.output import print_message
from tunecurve.settings import data_folder, server_environment

BackupArgument = Annotated[Path, typer.Argument(metavar="FOLDER", help="The backup's folder.")]


def backup(folder: BackupArgument, *, data_dir: DataDirOption = None) -> None:
    """Copy the installation into a new folder while it runs.

    Database (SQLite), objects, secrets and the emulator's state; it overwrites nothing.
    """
    from tunecurve.stack.backups import back_up, places_of

    environment = server_environment()
    places = places_of(data_folder(environment, chosen=data_dir), environment)
    manifest = back_up(places, folder.expanduser().absolute())
    _tell(manifest, folder)
    print_message("it holds secrets: keep it where only you can read it")


def restore(folder: BackupArgument, *, data_dir: DataDirOption = None) -> None:
    """Put a backup into an empty data folder; start it with `tunecurve up`.

    Every file is checked before the first is written.
    """
    from tunecurve.stack.backups import places_of, restore

    environment = server_environment()
    target = data_folder(environment, chosen=data_dir)
    manifest = restore(folder.expanduser().absolute(), places_of(target, environment))
    _tell(manifest, target)


def _tell(manifest: dict[str, Any], folder: Path) -> None:
    print(f"{folder}: {len(manifest['files'])} files of {manifest['created_at']}")
    for each in manifest["left_out"]:
        print_message(f"not in the backup: {each}")
