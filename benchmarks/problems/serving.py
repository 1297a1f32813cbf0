"""A serving engine in closed form: a roofline of its steps, the power they draw, and answers.

Nothing is fitted to any tuner: times are maxima and sums (weights, cache, arithmetic,
communication, launching), so no product of one factor per choice; which precision, division or
draft is best depends on the batch and the model, and thinking interacts with all of it.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from problems._problem import HERE, Columns, Floats, Problem, front_of, pruned
from tuner.space import Codes, SearchSpace, combine, load_model, load_space
from tuner.surrogates import Objective

OBJECTIVES = (
    Objective.parse("energy_j:min"),
    Objective.parse("latency_s:min"),
    Objective.parse("accuracy:max"),
)
PROMPT, ANSWER = 1024, 256
BANDWIDTH, COMPUTE, LINK = 3.35e12, 9.9e14, 4.5e11  # of one card: byte/s, 1/s (16 bits), byte/s
IDLE, ARITHMETIC, MEMORY = 90.0, 420.0, 190.0  # watts of one card

MODELS = ("1b", "3b", "8b", "14b", "32b")
WEIGHTS = dict(zip(MODELS, (1.2e9, 3.2e9, 8.0e9, 14.8e9, 32.8e9), strict=True))
LAYERS = dict(zip(MODELS, (16, 28, 32, 48, 64), strict=True))
WIDTH = dict(zip(MODELS, (2048, 3072, 4096, 5120, 5120), strict=True))
CACHE = dict(zip(MODELS, (32768, 114688, 131072, 196608, 262144), strict=True))  # byte a token
SKILL = dict(zip(MODELS, (-0.9, -0.1, 0.4, 0.8, 1.05), strict=True))  # log-odds of a right answer


def serving() -> Problem:
    """Three objectives, 15 mixed and conditional parameters, a million valid configurations."""
    space = load_space(str(HERE / "serving.uvl"))
    return Problem("serving", space, OBJECTIVES, lambda codes: cost(space, codes), _front())


def serving_with_knobs() -> Problem:
    """The same with fourteen more parameters: 4 * 10^13 valid configurations.

    Each group of knobs multiplies energy and latency by something that depends on the knobs of
    that group only, jointly. So the front is the one of all sums, on the log scale, of a point of
    each group's front: exact, and without looking at everything.
    """
    model = combine([load_model(str(HERE / name)) for name in ("serving.uvl", "knobs.uvl")])
    space = SearchSpace.from_model(model)

    def evaluate(codes: Codes) -> Floats:
        values = cost(space, codes)
        values[:, :2] *= np.exp(sum(effects(Columns(space, codes)).values()))
        return values

    return Problem("serving+knobs", space, OBJECTIVES, evaluate, _front_with_knobs())


@cache
def _front() -> Floats:
    space = load_space(str(HERE / "serving.uvl"))
    return front_of(space, lambda codes: cost(space, codes), OBJECTIVES)


@cache
def _front_with_knobs() -> Floats:
    knobs = load_space(str(HERE / "knobs.uvl"))
    front = _front()
    for name, names in GROUPS.items():
        front = with_group(front, options(knobs, name, names))
    return front


def with_group(front: Floats, effects: Floats) -> Floats:
    """The front of all products of a point and the factors of a group of knobs."""
    factors = np.exp(np.concatenate([effects, np.zeros((len(effects), 1))], 1))
    return pruned((front[:, None] * factors[None]).reshape(-1, 3), OBJECTIVES)


def options(knobs: SearchSpace, group: str, names: tuple[str, ...]) -> Floats:
    """The non-dominated effects of a group, the other knobs at their defaults."""
    pins = {n: v for n, v in knobs.default.items() if n not in names}
    own = load_space(str(HERE / "knobs.uvl"), pins=pins)
    rows = knobs.encode([knobs.configuration(dict(c) | pins) for c in own.decode(own.rows())])
    return pruned(effects(Columns(knobs, rows))[group], OBJECTIVES[:2])


def cost(space: SearchSpace, codes: Codes) -> Floats:
    """Joules and seconds of a request, and the share of right answers, `n x 3`."""
    c = Columns(space, codes)
    weights, layers, width = (c.of("model", d) for d in (WEIGHTS, LAYERS, WIDTH))
    precision = c.of("weights", {"bf16": 2.0, "fp8": 1.0, "int4": 0.56})
    cards, batch, clock = c["cards"], c["batch"], c["clock"] / 1980
    thinking, votes = np.nan_to_num(c["thinking"]), np.nan_to_num(c["votes"], nan=1.0)
    length, sequences = ANSWER + thinking, batch * votes

    drafted = np.nan_to_num(c["draft_tokens"])
    accepted = c.of("drafter", {"ngram": 0.45, "tiny": 0.75})
    tokens = (1 - accepted ** (drafted + 1)) / (1 - accepted)  # a step gives, on average
    tiny = c.has("drafter", "tiny")

    memory = BANDWIDTH * (0.55 + 0.45 * clock) * np.where(c.has("attention", "flash"), 0.92, 0.8)
    compute = COMPUTE * clock * c.of("weights", {"bf16": 0.6, "fp8": 1.05, "int4": 0.45})
    cached = c.of("model", CACHE) * c.of("kv_cache", {"bf16": 1.0, "fp8": 0.5})
    reading = weights * precision / cards / memory
    looking = sequences * (PROMPT + length / 2) * cached / cards / memory
    doing = 2 * weights * sequences * (drafted + 1) / cards / compute
    talking = _talk(layers, width, cards, sequences * (drafted + 1))
    launching = layers * 2.2e-5 / (0.5 + 0.5 * clock)
    drafting = drafted * np.where(tiny, 1e9 / memory + 8e-5, 1e-5)
    step = np.hypot(reading + looking, doing) + talking + launching + drafting

    pieces = np.nan_to_num(PROMPT / c["chunk"], nan=1.0)
    reading_prompts = 2 * weights * PROMPT / cards / compute + _talk(layers, width, cards, PROMPT)
    reading_prompts = reading_prompts + (pieces - 1) * (reading + launching)
    waiting = np.where(c.has("chunked", True), 0.35, 0.5) * batch * reading_prompts

    steps = length / tokens
    seconds = reading_prompts + waiting + steps * step
    busy = batch * reading_prompts + steps * step
    arithmetic = (batch * reading_prompts + steps * doing) / busy
    moving = steps * (reading + looking) / busy
    watts = IDLE + ARITHMETIC * np.minimum(arithmetic, 1) * clock**2.4
    watts = watts + MEMORY * np.minimum(moving, 1) * (0.4 + 0.6 * clock)
    joules = cards * watts * busy / batch

    odds = c.of("model", SKILL) + 0.55 * (1 - np.exp(-thinking / 900)) * (1 + c.of("model", SKILL))
    coarse = c.of("weights", {"bf16": 0.0, "fp8": 0.02, "int4": 0.12}) * (8e9 / weights) ** 0.35
    odds = odds - coarse - c.of("kv_cache", {"bf16": 0.0, "fp8": 0.03}) * (1 + thinking / 2048)
    odds = odds + 0.14 * np.log2(votes) * np.exp(-(odds**2) / 4)
    return np.stack([joules, seconds, 1 / (1 + np.exp(-odds))], 1)


def _talk(layers: Floats, width: Floats, cards: Floats, tokens: Floats | float) -> Floats:
    """Seconds that cards need to add up what each has of a step."""
    share = 2 * (cards - 1) / cards
    return layers * 2 * (9e-6 * np.log2(cards) + share * tokens * width * 2 / LINK)


GROUPS = {
    "scheduler": ("policy", "quantum", "window"),
    "cache": ("block", "evict", "swapping", "swap"),
    "kernel": ("rows", "columns", "stages"),
    "host": ("threads", "polling", "pinned"),
    "power": ("power_limit",),
}


def effects(c: Columns) -> dict[str, Floats]:
    """Logarithms of the factors on energy and latency, `n x 2`, of each group of knobs."""
    policy = c.of("policy", {"fifo": 0.12, "fair": 0.0, "shortest": 0.03})
    best = c.of("policy", {"fifo": 0.0, "fair": 3.0, "shortest": 2.0})
    quantum, window = np.log2(c["quantum"]) - best, np.log2(c["window"]) / 2 - 4
    scheduler = policy + 0.02 * quantum**2 + 0.03 * window**2 + 0.02 * quantum * window
    block = np.log2(c["block"]) - c.of("evict", {"oldest": 5.0, "rarest": 4.0, "random": 6.0})
    swap = np.nan_to_num(np.log2(c["swap"]) - 4, nan=3.0)
    evict = c.of("evict", {"oldest": 0.05, "rarest": 0.0, "random": 0.2})
    cache_ = evict + 0.015 * block**2 + 0.01 * swap**2
    tile, shape = np.log2(c["rows"] * c["columns"]) - 13, np.log2(c["rows"] / c["columns"]) - 1
    kernel = 0.02 * tile**2 + 0.015 * shape**2 + 0.03 * (c["stages"] - 3 + 0.5 * tile) ** 2
    spin, event = c.has("polling", "spin"), c.has("polling", "event")
    threads = np.log2(c["threads"])
    host = 0.03 * (threads - np.where(spin, 1.0, 3.0)) ** 2 + 0.04 * event
    host = host + np.where(c.has("pinned", True), 0.0, 0.05)
    limit = c["power_limit"] / 700
    return {
        "scheduler": np.stack([0.6 * scheduler, scheduler], 1),
        "cache": np.stack([cache_, 0.8 * cache_ + 0.02 * swap], 1),
        "kernel": np.stack([kernel, kernel], 1),
        "host": np.stack([0.5 * host + 0.1 * spin * threads, host + 0.1 * ~(spin | event)], 1),
        "power": np.stack([0.5 * (limit - 0.5) ** 2, 0.25 * (1 / limit - 1)], 1),
    }
