"""
Known answers
=============

What one learns: what theory says of simulated spikes, beside what is measured, in standard errors.
Fano factors and interval statistics of Poisson neurons and of neurons with a dead time are known
in closed form, and so is what four spikes and a second of rest cost. If the simulation is right, a
difference z is standard normal: one in twenty lies outside the grey band.
"""

import matplotlib.pyplot as plt
import numpy as np
from brian2 import ms, second
from scipy.integrate import quad
from scipy.stats import gamma

from pvae_brian import Estimate, Refractory, metabolic_cost, simulate
from pvae_brian.measures import compute_isi_statistics, residual_fano

rate, dead_time, window = 100.0, 5e-3, 20.0
rates = np.full((50, 20), rate * window)
answers: dict[str, float] = {}


def show(name: str, theory: float, measured: Estimate, spec: str = ".4f") -> None:
    """Print both, and their difference in standard errors of the interval."""
    error = (measured.high - measured.low) / (2 * 1.96)
    answers[name] = (measured.value - theory) / error
    print(f"{name:34}{theory:9{spec}}{measured.value:10{spec}}{answers[name]:7.2f}")


print(f"{'':34}{'theory':>9}{'measured':>10}{'z':>7}")
record = simulate(rates, window=window * second, n_steps=8000, seed=1, record="times")
isi = compute_isi_statistics(record)
show("Poisson: Fano factor", 1.0, residual_fano(record.counts, record.prediction, axis=None))
show("Poisson: CV of intervals", 1.0, isi.cv)
show("Poisson: CV2 of intervals", 1.0, isi.cv2)

neuron = Refractory(dead_time * second)
record = simulate(
    rates, window=window * second, n_steps=8000, seed=2, record="times", neuron=neuron
)
isi, law, counts = compute_isi_statistics(record), record.prediction, record.counts
mean, error = counts.mean(), 1.96 * np.sqrt(law.variance.sum()) / counts.size
show("dead time 5 ms: spikes in 20 s", law.mean.mean(), Estimate(mean, mean - error, mean + error))
fano = residual_fano(counts, law, axis=None)
show("dead time 5 ms: Fano factor", law.variance.sum() / law.mean.sum(), fano)
load = rate * dead_time
show("dead time 5 ms: CV", 1 / (1 + load), isi.cv)
cv2 = quad(lambda s: gamma(2).pdf(s) * s / (s + 2 * load), 0, np.inf)[0]
show("dead time 5 ms: CV2", cv2, isi.cv2)

record = simulate([[4.0]] * 1000, window=1 * second, seed=3)
cost = metabolic_cost(record, "attwell-laughlin-2001").total_per_stimulus
show("4 Hz, one second, with rest (ATP)", 4 * 7.1e8 + 0.444e9, cost, ".4g")
one = metabolic_cost(record[record.counts[:, 0] == 4])
print(f"\n4 spikes in one second: {one.total_per_stimulus.value:.4g} ATP,")
print(f"of which rest {one.resting:.3g}; in watts: {one.power.value}")
print(f"silence for 50 ms: {metabolic_cost(simulate([[0.0]], window=50 * ms)).resting:.3g} ATP")

ax = plt.subplots(figsize=(7, 4), layout="constrained")[1]
ax.axvspan(-1.96, 1.96, color="grey", alpha=0.2, lw=0, label="95 % if the simulation is right")
ax.plot(list(answers.values()), list(answers), "o")
ax.invert_yaxis()
ax.set(xlim=(-4, 4), xlabel="z (measured less theory, in standard errors)")
ax.legend(frameon=False, loc="upper left", bbox_to_anchor=(0, 1.12))
plt.show()
