"""Can one tell by the time of a refused login whether the user exists?

Refused logins of known and of unknown users in turn, and the ratio of their medians, for a hash of the current
profile and for each kind of legacy hash: a ratio of 1 tells nothing. Beside it the smallest two-sample
Kolmogorov-Smirnov distance that would be significant at 5 %, so that a reader can judge what is noise.

    python benchmarks/logins/bench_logins_enumeration.py [--quick] [--rounds 200]
"""

from __future__ import annotations

import argparse
import statistics
import time
from bisect import bisect_right

import anyio

from backstay.passwords import PasswordHasher

LEGACY = {
    "current profile": None,
    "md5": "md5$salt$" + "0" * 32,
    "PBKDF2-SHA256, 600,000": "pbkdf2_sha256$600000$salt$" + "A" * 43 + "=",
    "argon2id of Django (100 MiB)": "$argon2id$v=19$m=102400,t=2,p=8$c2FsdHNhbHRzYWx0c2FsdA$" + "A" * 43,
}


def distance(one: list[float], other: list[float]) -> float:
    one, other = sorted(one), sorted(other)
    return max(abs(bisect_right(one, at) / len(one) - bisect_right(other, at) / len(other)) for at in one + other)


async def main(rounds: int) -> None:
    significant = 1.36 * (2 / rounds) ** 0.5
    print(f"{rounds} logins of each; a distance below {significant:.3f} is noise\n")
    print(f"{'stored hash':32} known/unknown  distance")
    async with PasswordHasher() as hasher:
        for name, stored in LEGACY.items():
            known = stored or await hasher.hash("correct horse")
            times: dict[bool, list[float]] = {True: [], False: []}
            for number in range(2 * rounds):
                exists = number % 2 == 0
                began = time.perf_counter()
                await hasher.verify("wrong", known if exists else None)
                times[exists].append(time.perf_counter() - began)
            ratio = statistics.median(times[True]) / statistics.median(times[False])
            print(f"{name:32} {ratio:13.3f}  {distance(times[True], times[False]):8.3f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a smoke run")
    parser.add_argument("--rounds", type=int, default=200, help="logins of each kind")
    given = parser.parse_known_args()[0]
    anyio.run(main, 10 if given.quick else given.rounds)
