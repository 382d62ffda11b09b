"""``python -m pvae_brian`` is the command ``pvae-brian``."""

from pvae_brian.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
