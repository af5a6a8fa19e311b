"""The middle of the processor's time for one call of the transform in Extism, in nanoseconds: of a fresh instance each time, and of
one that is used again. Neither counts fuel.

    python measure.py PLUGIN INPUT
"""

import statistics
import sys
import time

from extism.extism import CompiledPlugin, Plugin

SECONDS = 0.4
LEAST = 7


def middle(work):
    work()
    begun, times = time.perf_counter(), []
    while len(times) < LEAST or time.perf_counter() - begun < SECONDS:
        started = time.thread_time_ns()
        work()
        times.append(time.thread_time_ns() - started)
    return int(statistics.median(times))


def main():
    module, body = (open(path, "rb").read() for path in sys.argv[1:3])
    compiled = CompiledPlugin({"wasm": [{"data": module}]}, wasi=True, functions=[])
    name = "supplier_permissions"
    # None: the output stays where it is.
    fresh = lambda: Plugin(compiled).call(name, body, parse=None)
    kept = Plugin(compiled)
    print("Extism, a fresh instance", middle(fresh), sep="\t")
    print("Extism, one instance again", middle(lambda: kept.call(name, body, parse=None)), sep="\t")


main()
