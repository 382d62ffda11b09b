"""Print what the installed package requires, less torch, and the tools that run its tests.

    python .ci/requirements.py | pip install -r /dev/stdin

torch is large, and half of the tests do without. The list is that of the package itself.
"""

from importlib.metadata import requires

from packaging.requirements import Requirement

PACKAGE = "pvae_brian"
TOOLS = {"hypothesis", "pytest", "pytest-xdist"}


def main() -> None:
    for requirement in map(Requirement, requires(PACKAGE)):
        is_own = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if requirement.name in TOOLS or (is_own and requirement.name != "torch"):
            requirement.marker = None
            print(requirement)


if __name__ == "__main__":
    main()
