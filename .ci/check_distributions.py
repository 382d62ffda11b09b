"""Hold what was built against what is tracked: the source distribution has it all, the wheel the
package and its licence, each file as it is in the repository.

    python .ci/check_distributions.py FOLDER

FOLDER holds one ``.tar.gz`` and one ``.whl``. Run it in the repository.
"""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

PACKAGE = "pvae_brian/"
# What only the repository needs.
LEFT_OUT = (".ci/", ".gitignore")


def tracked() -> dict[str, bytes]:
    names = subprocess.run(
        ["git", "ls-files", "-z"], capture_output=True, text=True, check=True
    ).stdout.split("\0")
    return {name: Path(name).read_bytes() for name in names if name}


def in_source_distribution(path: Path) -> dict[str, bytes]:
    """What is in it by its place in the repository, without the folder that holds it all."""
    with tarfile.open(path) as archive:
        return {
            str(PurePosixPath(*PurePosixPath(member.name).parts[1:])): archive.extractfile(
                member
            ).read()
            for member in archive
            if member.isfile()
        }


def in_wheel(path: Path) -> dict[str, bytes]:
    """What is in it by its place in the repository; licences stand beside the metadata."""
    with zipfile.ZipFile(path) as archive:
        return {
            name.partition(".dist-info/licenses/")[2] or name: archive.read(name)
            for name in archive.namelist()
        }


def complain(place: Path, expected: dict[str, bytes], found: dict[str, bytes]) -> list[str]:
    missing = [f"{place.name} lacks {name}" for name in expected if name not in found]
    changed = [
        f"{place.name} has another {name}"
        for name in expected
        if name in found and found[name] != expected[name]
    ]
    # Built files of the package that nobody tracks: left from an earlier build.
    strays = [
        f"{place.name} has {name}, which is not tracked"
        for name in found
        if name.startswith(PACKAGE) and name not in expected
    ]
    return missing + changed + strays


def main(folder: Path) -> int:
    (source,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    everything = {
        name: content for name, content in tracked().items() if not name.startswith(LEFT_OUT)
    }
    package = {
        name: content
        for name, content in everything.items()
        if name.startswith(PACKAGE) or name == "LICENSE"
    }
    # setuptools writes its own options into a copy of setup.cfg.
    without_options = {name: c for name, c in everything.items() if name != "setup.cfg"}
    complaints = [
        *complain(source, without_options, in_source_distribution(source)),
        *complain(wheel, package, in_wheel(wheel)),
    ]
    print(*complaints, sep="\n", end="\n" if complaints else "")
    print(f"{len(everything)} files in {source.name}, {len(package)} in {wheel.name}")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
