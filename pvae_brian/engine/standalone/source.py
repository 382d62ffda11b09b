"""The C++ standalone program: Brian2's own network, in a loop that reads parts of work from a pipe.

Brian2 would run a program once and exchange files with it. Here one process serves many parts: it
reads the rates, the first arrivals and a seed of a part from its standard input, lets Brian2's
network run for one window, and writes the spikes to its standard output. It ends with its input,
so that it never outlives the process that started it.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from pvae_brian.engine.block import END, SEED_WORDS

# First word of every message; another number for another protocol.
MAGIC = 0x50564145_0001

_SERVE = """
static_assert(sizeof({rate}[0]) == sizeof(double), "rates must be doubles");
static_assert(sizeof({count}[0]) == sizeof(int32_t), "counts must have 32 bits");
// Brian2 seeds its generator with 32 bits, too few to keep all parts of all jobs apart. The
// generator proper is its first member.
static_assert(std::is_standard_layout<RandomGenerator>::value, "the first member has no address");
auto& generator = reinterpret_cast<std::mt19937&>(_random_generators[0]);
// A long part must not outlive the process that waits for it: once a second, see whether it does.
std::signal(SIGALRM, [](int) {{
    struct pollfd out = {{1, 0, 0}};
    if (poll(&out, 1, 0) > 0 && (out.revents & (POLLERR | POLLHUP | POLLNVAL))) _exit(6);
}});
const struct itimerval every_second = {{{{1, 0}}, {{1, 0}}}};
setitimer(ITIMER_REAL, &every_second, NULL);
std::ios::sync_with_stdio(false);
const int64_t magic = {magic};
auto get = [](void* to, size_t size) {{
    std::cin.read(static_cast<char*>(to), size);
    return static_cast<size_t>(std::cin.gcount()) == size;
}};
auto put = [](const void* from, size_t size) {{
    if (!std::cout.write(static_cast<const char*>(from), size)) std::_Exit(4);
}};
put(&magic, sizeof magic);
std::cout.flush();
struct {{
    int64_t magic, n, first_step, last_step;
    uint32_t seed[{seed_words}];
    double dt, constants[{n_constants}];
}} part;
while (get(&part, sizeof part)) {{
    if (part.magic != magic || part.n < 0 || part.n > {n}) std::_Exit(2);
    {set_constants}
    if (!get({rate}, part.n * sizeof(double))) std::_Exit(3);
    std::fill({rate} + part.n, {rate} + {n}, 0.0);
    {get_arrival}
    std::fill({count}, {count} + {n}, 0);
    {dt}[0] = part.dt;
    {timestep}[0] = part.first_step;
    {t}[0] = {network}.t = part.first_step * part.dt;
    _random_generators[0].seed(0);
    std::seed_seq words(part.seed, part.seed + {seed_words});
    generator.seed(words);
    {network}.run((part.last_step - part.first_step) * part.dt, NULL, 1e300);
    if ({timestep}[0] != part.last_step) std::_Exit(5);
    int64_t late = 0;
    {count_late}
    const int64_t n_spikes = {n_spikes};
    const int64_t head[] = {{magic, late, n_spikes}};
    put(head, sizeof head);
    put({count}, part.n * sizeof(int32_t));
    {put_spikes}
    std::cout.flush();
}}
std::_Exit(std::cin.gcount() == 0 ? 0 : 3);
"""

_HEADERS = ["<poll.h>", "<sys/time.h>", "<unistd.h>", "<csignal>", "<random>", "<type_traits>"]

_GET_ARRIVAL = """
static_assert(sizeof({arrival}[0]) == sizeof(double), "arrivals must be doubles");
if (!get({arrival}, part.n * sizeof(double))) std::_Exit(3);
std::fill({arrival} + part.n, {arrival} + {n}, std::numeric_limits<double>::infinity());
"""

_COUNT_LATE = "for (int64_t k = 0; k < part.n; k++) late += {arrival}[k] < {end};"

_PUT_SPIKES = """
if (n_spikes) {{
    put(&{i}[0], n_spikes * sizeof(int32_t));
    put(&{time}[0], n_spikes * sizeof(double));
}}
{n_recorded}[0] = 0;
{clear}
"""


def write_project(settings: dict[str, Any], n: int, with_times: bool, folder: Path) -> None:
    """Write the program; to be run in a process of its own, as `build` does.

    Parameters
    ----------
    settings : dict
        Of the neuron model.
    n : int
        Neurons that one part may have at most.
    with_times : bool
        Whether the program sends the time of each spike.
    folder : path
        Where Brian2 writes its project.
    """
    from brian2 import Network, SpikeMonitor, get_device, second, set_device

    from pvae_brian.neurons import from_settings

    set_device("cpp_standalone", build_on_run=False)
    population = from_settings(settings).population(n)
    group = population.objects[0]
    device = get_device()
    network = Network(*population.objects)
    # The names of Brian2's arrays in the program.
    names = {
        "network": network.name,
        "n": n,
        "end": END,
        "seed_words": SEED_WORDS,
        "rate": device.get_array_name(population.rate),
        "count": device.get_array_name(population.count),
        **{
            name: device.get_array_name(group.clock.variables[name])
            for name in ("t", "dt", "timestep")
        },
    }
    if population.arrival is not None:
        names["arrival"] = device.get_array_name(population.arrival)
    if with_times:
        time = "t" if population.arrival is None else "arrival"
        monitor = SpikeMonitor(group, variables=None if time == "t" else time)
        network.add(monitor)
        names["i"] = device.get_array_name(monitor.variables["i"], access_data=False)
        names["time"] = device.get_array_name(monitor.variables[time], access_data=False)
        # All that Brian2 records, or the rest would grow from part to part.
        names["clear"] = "\n".join(
            f"{device.get_array_name(monitor.variables[name], access_data=False)}.clear();"
            for name in monitor.record_variables
        )
        names["n_recorded"] = device.get_array_name(monitor.variables["N"])
    # This makes Brian2 write the code that a run needs; the loop below then runs it.
    network.run(0 * second)
    constants = from_settings(settings).constants(1.0)
    has_arrival = population.arrival is not None
    device.insert_code(
        "main",
        _SERVE.format(
            magic=MAGIC,
            n_constants=max(1, len(constants)),
            set_constants="\n    ".join(
                f"{device.get_array_name(group.variables[name])}[0] = part.constants[{k}];"
                for k, name in enumerate(sorted(constants))
            ),
            get_arrival=_GET_ARRIVAL.format(**names) if has_arrival else "",
            count_late=_COUNT_LATE.format(**names) if has_arrival else "",
            n_spikes="{i}.size()".format(**names) if with_times else "0",
            put_spikes=_PUT_SPIKES.format(**names) if with_times else "",
            **names,
        ),
    )
    device.build(directory=str(folder), compile=False, run=False)


def compile_project(folder: Path) -> int:
    """Run make as Brian2 would, but let its messages through; return its exit status."""
    from brian2 import prefs

    preferences = prefs.devices.cpp_standalone
    command = [preferences.make_cmd_unix, *preferences.extra_make_args_unix]
    return subprocess.run(command, cwd=folder).returncode


def set_preferences(preferences: dict[str, Any]) -> None:
    """Take over the user's preferences for C++, and what the program relies on.

    Nothing else: a preference file of the user may ask for what the program is not made for.
    """
    from brian2 import prefs

    from pvae_brian.engine.preferences import DEFAULTS

    prefs.reset_to_defaults()
    preferences = preferences | DEFAULTS
    preferences["codegen.cpp.headers"] = [*preferences["codegen.cpp.headers"], *_HEADERS]
    for name, value in preferences.items():
        prefs[name] = value
    # Threads would share out the random numbers by their number.
    prefs["devices.cpp_standalone.openmp_threads"] = 0
    # A program that stops early on Ctrl-C would send half a window.
    prefs["core.stop_on_keyboard_interrupt"] = False


def executable(folder: Path) -> Path:
    """Return where the compiler puts the program."""
    return folder / "main"
