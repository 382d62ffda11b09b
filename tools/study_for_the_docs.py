"""Put what a finished study found into a folder of documents: table, answers and figures.

Run it with the extra ``[sweep]`` installed, after ``pvae-brian sweep STUDY --preset quick``::

    python tools/study_for_the_docs.py STUDY docs/study
"""

import json
import shutil
import sys
import textwrap
from pathlib import Path

from pvae_brian import sweep
from pvae_brian.cli.study_options import write_command
from pvae_brian.report.study import build_study_page, write_figures
from pvae_brian.sweep.answers import answer

WIDTH = 120
# What of the table there is room for on a page.
COLUMNS = {
    "model": "model",
    "beta": "beta",
    "n_latents": "K",
    "spikes": "spikes per stimulus",
    "prior_rate_cost": "prior rate cost",
    "fraction_zeros": "zeros",
    "latent_zeros": "zeros among latents",
    "kl_nats": "KL, nats",
    "error": "squared error",
    "free_energy": "free energy",
    "epochs": "epochs",
}


def main(study: Path, folder: Path) -> None:
    found = sweep.load_sweep(study)
    answers = answer(found.table)
    command = write_command(found.study, "STUDY")
    page = build_study_page(found, answers, command=command)
    folder.mkdir(parents=True, exist_ok=True)
    write_figures(found, folder, answers=answers, formats=("png",), force=True)
    shutil.copyfile(study / "table.csv", folder / "table.csv")
    short = found.table[list(COLUMNS)].rename(columns=COLUMNS)
    short.to_csv(folder / "summary.csv", index=False, float_format="%.4g")
    sentences = [page.headline, *page.warnings, *answers.sentences()]
    # A list of MyST: one sentence, or a few that belong together, per item.
    items = [
        textwrap.fill(
            sentence,
            WIDTH,
            initial_indent="- ",
            subsequent_indent="  ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        for sentence in sentences
    ]
    (folder / "answers.txt").write_text("\n".join(items) + "\n", encoding="utf-8")
    made = json.dumps(page.reproduction, indent=2, ensure_ascii=False)
    (folder / "made.json").write_text(made + "\n", encoding="utf-8")
    print(f"{len(found.table)} models: {folder}/table.csv, answers.txt, made.json and figures")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
