#!/usr/bin/env python3
"""Threshold hunts by the methods' papers, sharing nothing with Moonpulse: what a simulated subject answers, where
each pulse is given, and what comes of it.

    threshold_hunts.py METHOD SEED START

prints a line a trial, "INTENSITY ANSWER", then "threshold VALUE" and "interval LOW HIGH STEP": the interval that the
answers leave for it, and how far apart the thresholds are that Moonpulse looks at.
"""
import math
import random
import sys

THRESHOLD, SPREAD = 46.3, 0.08


def phi(z):
    return 0.5 * math.erfc(-z / math.sqrt(2))


def log_phi(z):
    return math.log(max(phi(z), 1e-300))


def ml_pest(start, ask):
    """Awiszus 2003: the likeliest threshold of 0.2 to 130 %MSO, the mean of those that are alike."""
    grid = [0.2 * i for i in range(1, 651)]
    like = [0.0] * len(grid)

    def add(x, yes):
        for i, t in enumerate(grid):
            z = (x - t) / (0.07 * t)
            like[i] += log_phi(z if yes else -z)

    def estimate():
        best = max(like)
        alike = [t for t, value in zip(grid, like) if value == best]
        return sum(alike) / len(alike)

    add(0, False)
    add(130.2, True)
    x = start
    for _ in range(20):
        add(x, ask(x))
        x = math.floor(estimate() + 0.5)
    return estimate()


def stochastic(first, at_turns):
    """Robbins and Monro 1951; at_turns: Kesten 1958."""
    def hunt(start, ask):
        x, n, before = float(start), 1 if at_turns else 0, None
        for _ in range(20):
            yes = ask(math.floor(x + 0.5))
            if not at_turns or before is not None and yes != before:
                n += 1
            before = yes
            x += first / n * (-1 if yes else 1)
        return x
    return hunt


def relative(start, ask):
    """Rossini 1994: the lowest intensity that still gives 5 of 10, by steps of 1 %MSO."""
    x, reached = start, None
    while True:
        yes = no = 0
        while yes < 5 and no < 6:
            if ask(x):
                yes += 1
            else:
                no += 1
        if yes == 5:
            reached, x = x, x - 1
        elif reached is not None:
            return reached
        else:
            x += 1


def mills_nithi(start, ask):
    """Mills and Nithi 1997: the mean of the highest with 0 of 10 below start, and the lowest with 10 of 10."""
    x = start
    while any(ask(x) for _ in range(10)):  # a response ends a level
        x -= 1
    lower = x
    x += 1
    while not all(ask(x) for _ in range(10)):
        x += 1
    return (lower + x) / 2


def interval(track):
    """95 % of what the answers leave: spreads of 3 to 15 % alike, a slip in a hundred; on a fine grid."""
    low = 0.6 * min(x for x, _ in track)
    high = 1.5 * max(x for x, _ in track)
    grid = [low + (high - low) * i / 2000 for i in range(2001)]
    weights = []
    for t in grid:
        total = 0.0
        for spread in (0.03, 0.045, 0.07, 0.1, 0.15):
            like = 1.0
            for x, yes in track:
                p = 0.01 + 0.98 * phi((x - t) / (spread * t))
                like *= p if yes else 1 - p
            total += like
        weights.append(total)
    ends, below = [], 0.0
    for share in (0.025, 0.975):
        below, i = 0.0, 0
        while below + weights[i] < share * sum(weights):
            below += weights[i]
            i += 1
        ends.append(grid[i])
    return ends[0], ends[1], (high - low) / 200


METHODS = {
    "ml-pest": ml_pest,
    "digital H": stochastic(6.7, False),
    "digital HA": stochastic(4.2, True),
    "relative-frequency": relative,
    "mills-nithi": mills_nithi,
}


def main():
    method, seed, start = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    chance, track = random.Random(seed), []

    def ask(x):
        yes = chance.random() < phi((x - THRESHOLD) / (SPREAD * THRESHOLD))
        track.append((x, yes))
        return yes

    found = METHODS[method](start, ask)
    for x, yes in track:
        print(x, "y" if yes else "n")
    print("threshold %.12g" % found)
    print("interval %.6f %.6f %.6f" % interval(track))


main()
