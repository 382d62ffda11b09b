"""The charts of a study: each plot with its title, what to see in it, and words in its place."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend

from pvae_brian.encoder import Encoder
from pvae_brian.gaussian_encoder import GaussianEncoder
from pvae_brian.report.page.parts import Chart
from pvae_brian.report.page.quantity import with_powers
from pvae_brian.report.page.style import report_style
from pvae_brian.report.pictures import picture_shape
from pvae_brian.report.study._series import families_in, family_of, known
from pvae_brian.report.study.activity import plot_spikes_against_beta, plot_zeros_against_beta
from pvae_brian.report.study.features import plot_features_by_beta
from pvae_brian.report.study.growth import plot_growth
from pvae_brian.report.study.prediction import plot_kl_over_models, plot_spikes_against_prior
from pvae_brian.report.study.tradeoff import plot_tradeoff
from pvae_brian.sweep.answers import Answers
from pvae_brian.sweep.answers.names import write_value
from pvae_brian.sweep.published import load_published

# In inches: of the axes, above which the legends have their room.
_HEIGHT = 3.5
# Published betas are shown if they are at most so many times beyond those of the study.
_NEAR = 1.5


def collect_study_charts(
    table: pd.DataFrame,
    answers: Answers,
    encoders: Mapping[tuple[str, float], Encoder | GaussianEncoder] | None = None,
    *,
    unit: str = "ATP",
) -> tuple[Chart, ...]:
    """Draw every chart of a study.

    Parameters
    ----------
    table : pandas.DataFrame
        Of a `Sweep`.
    answers : Answers
        Of the table.
    encoders : mapping of (str, float) to Encoder, optional
        By family and beta, as for `plot_features_by_beta`. Without any, or of images that are no
        pictures, there is no chart of features.
    unit : str
        Of energy.

    Returns
    -------
    tuple of Chart
        Those without models to show are left out.
    """
    with report_style():
        return (
            *_spikes(table),
            *_zeros(table),
            *_prior(table, answers),
            *_kl(table, answers),
            *_tradeoff(table, answers, unit),
            *_growth(table, answers),
            *_features(encoders or {}),
        )


def published_zeros(betas: Iterable[float]) -> pd.DataFrame:
    """Return the published fractions of zeros near some betas, by the names of our families."""
    published = load_published("amortized_sparsity_vs_beta")
    betas = list(betas)
    is_near = published["beta"].between(min(betas) / _NEAR, max(betas) * _NEAR)
    published = published[is_near]
    names = published["model"].str.removesuffix("+amort").str.replace("+", "-", regex=False)
    return published.assign(model=names, dataset=published.attrs["data_set"])


def _spikes(table: pd.DataFrame) -> Iterator[Chart]:
    if known(table, "spikes").empty:
        return
    yield _chart(
        "spikes",
        "Spikes against β",
        "Each mark is a model, simulated on held-out images. If the KL prices spikes, the P-VAE's "
        "lines fall.",
        _ranges(table, "spikes", "spikes per stimulus"),
        lambda ax: plot_spikes_against_beta(table, ax),
    )


def _zeros(table: pd.DataFrame) -> Iterator[Chart]:
    if known(table, "fraction_zeros").empty:
        return
    shown = table[table["model"].isin(known(table, "fraction_zeros")["model"])]
    yield _chart(
        "zeros",
        "Zeros against β",
        "Fraction of zeros among simulated counts; dashed, with crosses, among the model's own "
        "latents, which is what was published (grey hollow marks). Neurons driven by the "
        "control's latents fire another number of spikes than these have values above 0.",
        _ranges(shown, "fraction_zeros", "of the counts are 0"),
        lambda ax: plot_zeros_against_beta(shown, ax, published=published_zeros(shown["beta"])),
    )


def _prior(table: pd.DataFrame, answers: Answers) -> Iterator[Chart]:
    if known(table, "prior_rate_cost", "spikes").empty:
        return
    found = (
        f"{family_of(relation.family).name}: slope {write_value(relation.line.slope.value)}, "
        f"spikes are {write_value(relation.ratio.value)} times the prior rate cost on average"
        for relation in answers.predictions
        if math.isfinite(relation.ratio.value)
    )
    yield _chart(
        "prior",
        "Spikes against prior rate cost",
        "Each mark is a model. On the line of equal numbers the prior foretold the spikes; of a "
        "control, it is the activity of its prior. Dashed: fits to the models that converged.",
        _sentence(found),
        lambda ax: plot_spikes_against_prior(table, ax, relations=answers.predictions),
    )


def _kl(table: pd.DataFrame, answers: Answers) -> Iterator[Chart]:
    if known(table, "spikes", "kl_nats").empty:
        return
    found = (
        f"{family_of(relation.family).name}: rank correlation {relation.spearman.value:.2f}"
        for relation in answers.kl_relations
        if math.isfinite(relation.spearman.value)
    )
    yield _chart(
        "kl",
        "KL against spikes",
        "Each mark is a model. If the KL prices spikes, the two rise together.",
        _sentence(found),
        lambda ax: plot_kl_over_models(table, ax),
    )


def _tradeoff(table: pd.DataFrame, answers: Answers, unit: str) -> Iterator[Chart]:
    front = next(front for front in answers.fronts if front.family == "all")
    if known(table, "energy", "error", "kl_nats").empty:
        return
    on_front = front.points
    ends = on_front[["energy", "error"]].to_numpy()
    yield _chart(
        "tradeoff",
        "Error, energy and KL",
        "Each mark is a model, its area the KL; numbers are β. No model spends less energy and "
        "errs less than those on the front.",
        with_powers(
            f"{len(on_front)} of {front.n_points} models are on the front, from {ends[0, 0]:.2g} "
            f"{unit} and an error of {ends[0, 1]:.3g} to {ends[-1, 0]:.2g} {unit} and "
            f"{ends[-1, 1]:.3g}."
        ),
        lambda ax: plot_tradeoff(table, ax, unit=unit, front=on_front),
    )


def _growth(table: pd.DataFrame, answers: Answers) -> Iterator[Chart]:
    if table["n_latents"].nunique() < 2:
        return
    for model in families_in(known(table, "spikes")):
        rows = table[table["model"] == model]
        of_model = [g for g in answers.growth if (g.family, g.quantity) == (model, "spikes")]
        exponents = {(model, growth.beta): growth.exponent.value for growth in of_model}
        fitted = {beta: a for (_, beta), a in exponents.items() if math.isfinite(a)}
        name = family_of(model).name
        yield _chart(
            f"growth-{model}",
            f"Spikes against K: {name}",
            "A straight line is a power of K: with exponent 1 twice the latents fire twice the "
            "spikes, with 0 they fire as many.",
            "Exponents: "
            + (", ".join(f"{a:.2g} at β = {b:g}" for b, a in fitted.items()) or "not known")
            + ".",
            functools.partial(plot_growth, rows, exponents=exponents),
        )


def _features(encoders: Mapping[tuple[str, float], Encoder | GaussianEncoder]) -> Iterator[Chart]:
    if not encoders or any(
        picture_shape(encoder) is None or not encoder.has_decoder for encoder in encoders.values()
    ):
        return
    n_families = len({model for model, _ in encoders})
    yield _chart(
        "features",
        "Decoder features at the lowest and at the highest β",
        "What one spike of each latent adds to the image, those of P-VAEs with the highest prior "
        "rates first, those of controls with the largest features. Where few latents are active, "
        "the last ones shown may be unused.",
        f"Decoder features of {len(encoders)} models: "
        + ", ".join(f"{family_of(model).name} at β = {beta:g}" for model, beta in encoders)
        + ".",
        lambda ax: plot_features_by_beta(encoders, ax),
        height=2.6 * n_families + 0.5,
    )


def _sentence(found: Iterable[str]) -> str:
    return ("; ".join(found) or "Too few models converged to say more") + "."


def _ranges(table: pd.DataFrame, name: str, what: str) -> str:
    """Say where each family begins and ends, on average over K."""
    parts = []
    for model in families_in(known(table, name)):
        rows = known(table[table["model"] == model], name)
        means = rows.groupby("beta")[name].mean()
        first, last = means.index[0], means.index[-1]
        parts.append(
            f"{family_of(model).name}: {means[first]:.3g} {what} at β = {first:g}, "
            f"{means[last]:.3g} at β = {last:g}, mean over K"
        )
    return with_powers("; ".join(parts) + ".")


def _chart(
    key: str,
    title: str,
    caption: str,
    alt: str,
    draw: Callable[[Axes], Axes],
    *,
    height: float | None = None,
) -> Chart:
    figure = Figure()
    ax = draw(figure.subplots())
    legends = [child for child in ax.get_children() if isinstance(child, Legend)]
    above = sum(legend.get_window_extent().height for legend in legends) / figure.dpi
    figure.set_figheight(height or _HEIGHT + above)
    # Images keep their shape, which a layout has to be made twice for.
    figure.draw_without_rendering()
    return Chart(key=key, title=title, caption=caption, alt=alt, figure=figure)
