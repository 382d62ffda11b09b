"""A report such as a run makes, with random numbers, and texts that try to break the page."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from scipy.stats import poisson

from pvae_brian.report.page import Assumption, Chart, Page, Table
from pvae_brian.report.page.quantity import Quantity
from pvae_brian.report.page.svg import report_style

from .chance import fresh_generator

# As names of files may be.
HOSTILE = (
    "<script>alert(1)</script>",
    "</script><!--<script>",
    '"><img src=x onerror=alert(1)>',
    "{{ page.title }} {% raw %} &amp; &lt;",
    "]]> </svg></style><style>*{display:none}</style>",
    "a\u202egpj.exe",
    "bell\x07, nul\x00, half\udc80",
    "javascript:alert(1) https://example.org/a?b=1&c=%22onclick=",
    "x" * 300,
)


def example_page(**changes) -> Page:
    """Return a page with everything that there may be on one."""
    parts = {
        "title": "Cost of 512 spiking latents on 2000 natural patches",
        "headline": (
            "A stimulus is coded in 49.2 spikes and 131 bits, and costs 1.23 billion ATP under "
            "the budget of Attwell and Laughlin."
        ),
        "warnings": (
            "The simulation deviates from its prediction (z = 7.1): 49.21 spikes per stimulus "
            "were measured and 48.02 predicted.",
            "The rate clamp binds for 3.1 % of the latents, so that the model's KL is not the KL "
            "of the rates that were simulated.",
        ),
        "quantities": example_quantities(),
        "charts": example_charts(),
        "assumptions": example_assumptions(),
        "reproduction": example_reproduction(),
        "tables": example_tables(),
    }
    return Page(**{**parts, **changes})


def hostile_page() -> Page:
    """Return a page in which every text is one of `HOSTILE`."""
    with report_style():
        figure = Figure()
        ax = figure.subplots()
        ax.set_title("<b>&amp;</b> <!-- --> ]]> </svg><script>")
    quantities = tuple(
        Quantity(text, text, text, 1.0, 0.5, 1.5, text, text, text) for text in HOSTILE
    )
    return Page(
        title=HOSTILE[0],
        headline=HOSTILE[1],
        warnings=HOSTILE,
        quantities=quantities,
        charts=tuple(Chart(text, text, text, text, figure) for text in HOSTILE),
        assumptions=tuple(Assumption(text, "A", text, text) for text in HOSTILE),
        reproduction={"command": " ".join(HOSTILE), **{text: {text: text} for text in HOSTILE}},
        tables=tuple(Table(text, text, (text, text), ((text, 1.5),)) for text in HOSTILE),
    )


def example_quantities() -> tuple[Quantity, ...]:
    stimuli, exact = "bootstrap over stimuli", "exact: sum of parameters"
    fidelity, coding = "Simulation fidelity", "Coding cost"
    sparsity, energy, power = "Sparsity", "Metabolic cost per stimulus", "Metabolic power"
    nan, inf = float("nan"), float("inf")
    return (
        Quantity("run.stimuli", "What was simulated", "stimuli", 2000, 2000, 2000, "", "exact"),
        Quantity("run.latents", "What was simulated", "latent neurons", 512, 512, 512, "", "exact"),
        Quantity(
            "run.window", "What was simulated", "duration of the window of each stimulus", 1, 1, 1,
            "s", "exact",
        ),
        Quantity(
            "fidelity.measured", fidelity, "measured spikes per stimulus", 49.2134, 48.9051,
            49.5217, "spikes", "Garwood",
        ),
        Quantity(
            "fidelity.predicted", fidelity,
            "predicted spikes per stimulus, from the posterior rates after the clamp", 48.0213,
            48.0213, 48.0213, "spikes", "exact: mean of the posterior rates",
        ),
        Quantity(
            "fidelity.z", fidelity, "difference in standard errors", -7.13, nan, nan, "",
            "standard normal if the simulation is right", "should lie between -2 and 2",
        ),
        Quantity(
            "fidelity.fano", fidelity, "Fano factor about the predicted means", 1.0021, 0.9884,
            1.0158, "", "normal, fourth moment of Poisson counts",
        ),
        Quantity(
            "fidelity.p", fidelity, "p value of the chi-square test of all counts", 3.21e-9,
            3.21e-9, 3.21e-9, "", "exact: chi-square with 18 degrees of freedom",
        ),
        Quantity(
            "fidelity.outside", fidelity,
            "share of neurons whose total lies outside the central 95 % of its law", 0.0527,
            0.0350, 0.0758, "", "Clopper and Pearson, over neurons",
        ),
        Quantity("coding.kl", coding, "KL to the prior", 90.81, 89.92, 91.73, "nats", stimuli),
        Quantity("coding.kl_bits", coding, "KL to the prior", 131.0, 129.7, 132.3, "bits", stimuli),
        Quantity(
            "coding.bits_per_spike", coding, "bits per spike", 2.662, 2.641, 2.684, "bits/spike",
            stimuli,
        ),
        Quantity(
            "coding.best", coding, "bits per spike of the neuron that fired least", inf, 12.1, inf,
            "bits/spike", stimuli, "it fired no spike in 1 % of the resamples and more",
        ),
        Quantity("coding.prior", coding, "prior rate cost", 48.31, 48.31, 48.31, "spikes", exact),
        Quantity(
            "coding.ratio", coding, "measured over prior rate cost", 1.0187, 1.0123, 1.0251, "",
            stimuli,
        ),
        Quantity(
            "sparsity.zeros", sparsity, "fraction of zeros among the counts", 0.9312, 0.9308,
            0.9316, "", stimuli,
        ),
        Quantity(
            "sparsity.lifetime", sparsity, "lifetime sparsity, mean over neurons", 0.871, 0.8692,
            0.8731, "", stimuli, "Vinje and Gallant (2000)",
        ),
        Quantity(
            "sparsity.population", sparsity, "population sparsity, mean over stimuli", 0.9021,
            0.9009, 0.9034, "", stimuli, "Treves and Rolls (1991)",
        ),
        Quantity(
            "sparsity.undefined", sparsity, "Fano factor of neurons that never fired", nan, nan,
            nan, "", "not defined without spikes",
        ),
        Quantity("cost.spikes", energy, "spikes", 1.8913e10, 1.8794e10, 1.9032e10, "ATP", stimuli),
        Quantity(
            "cost.rest", energy, "rest of all neurons", 2.2733e11, 2.2733e11, 2.2733e11, "ATP",
            "exact: 3.42e9 ATP/s for a neuron and 0.13e9 for its glia",
        ),
        Quantity("cost.total", energy, "spikes and rest", 2.4624e11, 2.4612e11, 2.4636e11, "ATP",
                 stimuli),
        Quantity(
            "cost.joules", energy, "spikes and rest, as free energy of hydrolysis", 2.0446e-8,
            1.7993e-8, 2.4535e-8, "J", "range for 44 to 60 kJ/mol",
        ),
        Quantity(
            "cost.spike", energy, "one spike with its synapses", 3.19e-11, 2.81e-11, 3.83e-11, "J",
            "range for 44 to 60 kJ/mol",
        ),
        Quantity("power.spikes", power, "of the spikes", 1.57e-9, 1.56e-9, 1.58e-9, "W", stimuli),
        Quantity(
            "power.per_neuron", power, "of a neuron, on average", 3.99e-11, 3.51e-11, 4.79e-11,
            "W per neuron", "range for 44 to 60 kJ/mol",
        ),
        Quantity("power.rate", power, "mean firing rate", 0.09612, 0.09552, 0.09672, "Hz",
                 "Garwood"),
    )  # fmt: skip


def example_charts() -> tuple[Chart, ...]:
    rng = fresh_generator()
    with report_style():
        return (
            Chart(
                "measured_predicted",
                "Measured against predicted",
                "Each point is a neuron. If its counts are Poisson, it lies in the band with a "
                "chance of 95 %.",
                "Scatter of 512 neurons along the diagonal from 0 to 8 spikes per stimulus; 27 "
                "lie outside the band.",
                scatter_with_band(rng),
            ),
            Chart(
                "raster",
                "Spikes of one stimulus",
                "A row is a neuron, a tick a spike.",
                "Raster of 60 neurons over 1 s with 300 spikes spread evenly over time.",
                raster(rng),
            ),
            Chart(
                "reconstructions",
                "Stimuli and what their spikes say of them",
                "Above the stimuli, below the decoder's reconstruction from the spikes of one "
                "window. The grey scale is the same for each pair.",
                "Eight patches of 16 by 16 pixels and their reconstructions, which are smoother.",
                image_grid(rng),
            ),
            Chart(
                "cost_by_budget",
                "Cost under four budgets",
                "Spikes, synapses, rest and glia of one stimulus. The budgets differ in what they "
                "count, not only in numbers.",
                "Stacked bars; from 0.8 to 2.5 times 10 to the 11 ATP, most of it rest.",
                stacked_bars(),
            ),
            Chart(
                "error_by_window",
                "The code's error as the window fills",
                "Mean squared error of the reconstruction from the spikes so far, with its 95 % "
                "interval over stimuli; the dashed line is the error from the rates themselves.",
                "Two falling curves on logarithmic axes, from 1 at 1 ms to 0.02 at 1 s.",
                falling_curves(rng),
            ),
        )


def scatter_with_band(rng) -> Figure:
    figure = Figure()
    ax = figure.subplots()
    predicted = rng.gamma(1.0, 1.6, size=512)
    x = np.linspace(0, 1.05 * predicted.max(), 200)
    low, high = poisson.interval(0.95, 50 * x)
    ax.fill_between(x, low / 50, high / 50, color="band", lw=0, label="95 % if Poisson")
    ax.plot(x, x, color="faint", lw=1, label="predicted")
    ax.plot(predicted, rng.poisson(50 * predicted) / 50, ".", ms=4, label="neurons")
    ax.set(xlabel="predicted (spikes per stimulus)", ylabel="measured (spikes per stimulus)")
    ax.set(xlim=(0, None), ylim=(0, None))
    ax.legend()
    return figure


def raster(rng) -> Figure:
    figure = Figure()
    ax = figure.subplots()
    n_spikes = 300
    ax.plot(rng.uniform(size=n_spikes), rng.integers(60, size=n_spikes), "|", ms=5, color="C0")
    ax.axvspan(0.2, 0.4, color="band", zorder=0)
    ax.text(0.3, 61, "stimulus on", ha="center", va="bottom", color="ink", fontsize="small")
    ax.set(xlim=(0, 1), xlabel="time (s)", ylabel="latent neuron")
    return figure


def image_grid(rng) -> Figure:
    figure = Figure(figsize=(9.0, 2.7))
    for column in range(8):
        image = rng.normal(size=(16, 16)).cumsum(axis=0).cumsum(axis=1)
        for row, shown in enumerate((image, (image + image[::-1]) / 2)):
            ax = figure.add_subplot(2, 8, 8 * row + column + 1)
            ax.imshow(shown, cmap="gray", interpolation=None if row else "nearest")
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set_visible(False)
            if row == 0:
                ax.set_title(f"{rng.poisson(49)} spikes", fontsize="small")
            if column == 0:
                ax.set_ylabel("stimulus" if row == 0 else "decoded")
    return figure


def stacked_bars() -> Figure:
    figure = Figure()
    ax = figure.subplots()
    names = ["Attwell &\nLaughlin", "Howarth\net al.", "Lennie", "Levy &\nCalvert"]
    bottom = np.zeros(4)
    heights = np.array([[0.19, 0.3, 0.1, 0.2], [0.4, 0.2, 0.3, 0.1], [1.7, 0.9, 0.5, 0.4]])
    for part, height in zip(("spikes", "synapses", "rest"), heights, strict=True):
        ax.bar(names, height, bottom=bottom, label=part, width=0.6)
        bottom += height
    ax.errorbar(range(4), bottom, yerr=0.2, fmt="none", ecolor="ink", capsize=3, lw=1)
    ax.bar(names, 0.15, bottom=bottom, color="none", hatch="///", label="glia", width=0.6, lw=0.5,
           edgecolor="faint")  # fmt: skip
    ax.set_ylabel(r"ATP per stimulus ($10^{11}$)")
    ax.tick_params(axis="x", labelsize="x-small")
    ax.legend()
    return figure


def falling_curves(rng) -> Figure:
    figure = Figure()
    ax = figure.subplots()
    time = np.geomspace(1e-3, 1, 40)
    for label, scale in (("Poisson neurons", 1.0), ("refractory neurons", 0.6)):
        error = 0.02 + scale / (1 + 300 * time) * np.exp(rng.normal(size=40) / 30)
        (line,) = ax.loglog(time, error, label=label)
        ax.fill_between(time, 0.9 * error, 1.1 * error, alpha=0.25, lw=0, color=line.get_color())
    ax.axhline(0.02, color="faint", ls="--", label="from the rates")
    ax.grid()
    ax.set(xlabel="time since the stimulus was shown (s)", ylabel="mean squared error")
    ax.legend()
    return figure


def example_tables() -> tuple[Table, ...]:
    budgets = Table(
        "Cost by budget",
        "Per stimulus. What a budget does not state is not defined.",
        ("budget", "species", "spike (ATP)", "rest (ATP/s)", "total (ATP)", "total (J)"),
        (
            ("Attwell & Laughlin (2001)", "rat", 3.84e8, 3.42e8, 2.4624e11, 2.0446e-8),
            ("Howarth, Gleeson & Attwell (2012)", "rat", 1.82e8, 2.71e8, 1.5012e11, 1.2465e-8),
            ("Lennie (2003)", "human", 2.4e9, 2.2e9, 9.0e10, 7.47e-9),
            ("Levy & Calvert (2021)", "human", 4.1e8, float("nan"), float("nan"), float("nan")),
        ),
    )
    by_decile = Table(
        "Spikes by decile of the neurons",
        "",
        ("decile", "neurons", "spikes per stimulus", "share of the cost"),
        tuple((f"{10 * i} to {10 * i + 10} %", 51, 0.31 * i**2, i / 45) for i in range(10)),
    )
    return budgets, by_decile


def example_assumptions() -> tuple[Assumption, ...]:
    return (
        Assumption(
            "A spike costs what an action potential and the transmission at all its synapses "
            "cost in a pyramidal cell of rat cortex.",
            "A",
            "Attwell and Laughlin (2001), J. Cereb. Blood Flow Metab. 21:1133, "
            "https://doi.org/10.1097/00004647-200110000-00001.",
            "7.1e8 ATP",
        ),
        Assumption(
            "Each neuron has 8000 synapses, and a spike releases transmitter at a quarter of them.",
            "B",
            "quoted by Howarth et al. (2012) from Braitenberg and Schüz",
            "8000, 0.25",
        ),
        Assumption("Neurons rest at their prior rates.", "C", "derived from the two above"),
        Assumption("The window is as long as a fixation.", "", "", "1 s"),
    )


def example_reproduction() -> dict:
    digest = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
    return {
        "command": "pvae-brian run model.npz --images patches.npz --window 1s --n-steps 1000 "
        "--device cpp_standalone --seed 20260711 --budget attwell-laughlin --report report.html",
        "seed": 20260711,
        "device": "cpp_standalone",
        "created": "2026-07-11T09:30:00+00:00",
        "versions": {"pvae_brian": "0.1.0", "brian2": "2.9.0", "numpy": "2.3.5"},
        "platform": "Linux-6.1-x86_64",
        "checksums": {"model.npz": f"sha256:{digest}", "patches.npz": f"sha256:{digest[::-1]}"},
        "notes": ["no GPU", None, True, float("inf")],
    }
