"""Where a data set comes from: a folder, a zip of one, or the hub, which may hold it as zips itself."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from reward_models.ratings.table import DataError, NoDataSet

Say = Callable[[str], None]
HUB = {"pamela": "bethgelab/PAMELA"}
UNPACKED = Path("outputs/data")  # where zips of the hub are unpacked
GB = 1e9


def local_folder(source: str | Path, revision: str | None = None, say: Say = print) -> Path:
    """The folder of a data set, unpacked and fetched where it has to be; what that takes is said first.

    What is here already is not fetched or unpacked again, and a killed call goes on. Raises NoDataSet for a name that
    is neither here nor on the hub, DataError for a zip that does not open, leads out of its folder or does not fit on
    the disk.
    """
    path = Path(source).expanduser()
    if path.is_dir():
        return path
    if path.suffix == ".zip" and path.is_file():
        return unpacked([path], path.parent / f"{path.stem}.unpacked", say)
    fetched = _fetched(str(source), revision, say)
    zips = sorted(fetched.glob("*.zip"))
    if not zips or any(fetched.rglob("annotation*/*")):
        return fetched
    name = HUB.get(str(source), str(source)).replace("/", "--")
    return unpacked(zips, UNPACKED / f"{name}-{fetched.name[:8]}", say)


def unpacked(zips: list[Path], folder: Path, say: Say = print) -> Path:
    """``folder`` with what all ``zips`` hold; whole or not there at all. Raises DataError."""
    if folder.is_dir():
        return folder
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        for path in zips:
            with zipfile.ZipFile(path) as archive:
                _check(path, archive, partial)
                size = sum(member.file_size for member in archive.infolist())
                say(f"unpacking {path.name}: {size / GB:.1f} GB")
                archive.extractall(partial)
    except (zipfile.BadZipFile, OSError, NotImplementedError, RuntimeError) as error:
        raise DataError(f"'{path}' does not unpack: {str(error).splitlines()[0]}") from error
    partial.rename(folder)
    return folder


def _check(path: Path, archive: zipfile.ZipFile, folder: Path) -> None:
    for member in archive.infolist():
        name = PurePosixPath(member.filename.replace("\\", "/"))
        if name.is_absolute() or ".." in name.parts or (member.external_attr >> 28) == 0xA:  # a symbolic link
            raise DataError(f"'{path}' holds '{member.filename[:80]}', which leads out of its folder")
    size, free = sum(m.file_size for m in archive.infolist()), shutil.disk_usage(folder).free
    if size > free:
        raise DataError(f"'{path}' needs {size / GB:.1f} GB unpacked, and '{folder}' has {free / GB:.1f} GB left")


def _fetched(name: str, revision: str | None, say: Say) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OfflineModeIsEnabled

    name = HUB.get(name, name)
    if name.count("/") != 1 or name.startswith((".", "/", "~")):
        raise NoDataSet(
            f"there is no folder '{name}', and this is not the name of a data set on the hub (org/name)", name
        )
    try:
        return Path(snapshot_download(name, repo_type="dataset", revision=revision, local_files_only=True))
    except (HFValidationError, LocalEntryNotFoundError, OSError):
        pass  # not all of it is here yet
    try:
        _announce(name, revision, say)
        return Path(snapshot_download(name, repo_type="dataset", revision=revision))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OfflineModeIsEnabled, OSError) as error:
        reason = str(error).splitlines()[0]
        raise NoDataSet(f"there is no folder '{name}', and the hub does not give it: {reason}", name) from error


def _announce(name: str, revision: str | None, say: Say) -> None:
    """Say what will be fetched. Raises DataError where the disk has no room for it."""
    from huggingface_hub import HfApi
    from huggingface_hub.constants import HF_HUB_CACHE

    files = HfApi().dataset_info(name, revision=revision, files_metadata=True).siblings or []
    size = sum(f.size or 0 for f in files)
    say(f"fetching the data set {name}: {len(files)} files, {size / GB:.1f} GB, into {HF_HUB_CACHE}")
    here = next(p for p in (Path(HF_HUB_CACHE), *Path(HF_HUB_CACHE).parents) if p.exists())
    if size > shutil.disk_usage(here).free:
        raise DataError(
            f"{name} is {size / GB:.1f} GB, and '{here}' has {shutil.disk_usage(here).free / GB:.1f} GB left"
        )
