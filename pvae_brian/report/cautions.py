"""What a reader must know before trusting a report: most of them need none of it."""

from __future__ import annotations

from collections.abc import Iterator

from pvae_brian.analysis import Analysis
from pvae_brian.report.page.quantity import format_number

# A right simulation is further from its prediction, or fits worse, once in a thousand times.
_SUSPECT_Z = 3.29
_SUSPECT_P = 1e-3
# Fewer stimuli than this say little of stimuli like them.
_FEW_STIMULI = 30


def collect_cautions(analysis: Analysis) -> tuple[str, ...]:
    """Return a sentence or two for each reason to be careful with an analysis.

    Parameters
    ----------
    analysis : Analysis
        Of `analyse`.

    Returns
    -------
    tuple of str
        Often empty.
    """
    return tuple(_cautions(analysis))


def control_caution(analysis: Analysis) -> str | None:
    """Return what must be said of the prior rate cost of a control, or None for a P-VAE."""
    if analysis.encoder.family == "poisson":
        return None
    kl = analysis.comparison.clamp.poisson_kl.value
    return (
        "The model is a control, a Gaussian VAE with ReLU: its KL, and its bits, are of its normal "
        "latents, know no rates and foretell no spikes. Its prior rate cost is the activity of its "
        "prior, no prediction. Between the Poisson laws that were simulated the KL is "
        f"{format_number(kl)} nats."
    )


def _cautions(analysis: Analysis) -> Iterator[str]:
    record, comparison = analysis.record, analysis.comparison
    fidelity, clamp, prior = comparison.fidelity, comparison.clamp, comparison.prior
    law = record.prediction
    control = control_caution(analysis)
    if control is not None:
        yield control
    if record.neuron.name == "sampler":
        yield (
            "Counts were drawn from their laws, one draw per window: no spike was simulated. Leave "
            "the sampler away to simulate."
        )
    if law is None:
        yield (
            f"The neuron model {record.neuron.name!r} has no theory here: its counts are held "
            "against the posterior rates."
        )
    if law is not None and abs(fidelity.z) > _SUSPECT_Z:
        yield (
            f"The simulation deviates from its prediction by {fidelity.z:+.1f} standard errors. Do "
            "not trust the rest before that is explained."
        )
    if law is not None and law.is_poisson and fidelity.fit.p_value < _SUSPECT_P:
        yield (
            f"The counts do not fit Poisson laws of the posterior rates (p = "
            f"{fidelity.fit.p_value:.2g}). Do not trust the rest before that is explained."
        )
    if record.n_stimuli < _FEW_STIMULI:
        yield (
            "With one stimulus there are no intervals over stimuli."
            if record.n_stimuli == 1
            else f"With {record.n_stimuli} stimuli the intervals over stimuli are rough."
        )
    # Of the rates, for neurons that are not Poisson fire another number of spikes.
    rates = clamp.clamped.over(prior.predicted)
    if control is None and (rates.low > 1.1 or rates.high < 0.9):
        yield (
            f"Posterior rates are {format_number(rates.value)} times the prior rates: the prior is "
            "not at its optimum for these stimuli, as of a model stopped early, or of stimuli "
            "unlike those it was trained on."
        )
    fired = fidelity.expected.value / clamp.clamped.value if clamp.clamped.value else 1.0
    if abs(fired - 1) > 0.1:
        yield (
            f"These neurons, {record.neuron.name}, fire {format_number(fired)} times the spikes "
            "that their rates ask for, so measured spikes and prior rate cost differ by that."
        )
    change = clamp.unclamped.value - clamp.clamped.value
    if change > 0.01 * clamp.clamped.value:
        yield (
            f"The clamp on the rate takes {format_number(change)} spikes per stimulus away. The "
            f"model's own KL, {format_number(clamp.model_kl.value)} nats, does not see it; between "
            f"the Poisson laws it is {format_number(clamp.poisson_kl.value)} nats."
        )
    if analysis.reconstruction is None:
        yield "The model has no decoder, so the code is not held against the images."
    elif record.times is None:
        yield (
            "Only counts were recorded, so there are no spike trains and no course of the code; "
            "simulate with spike times for these (--record times)."
        )
