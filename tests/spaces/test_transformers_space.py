"""The shipped space of transformers against the installed engine: both sides of every rule."""

from __future__ import annotations

import copy
import functools
from dataclasses import dataclass, field
from importlib import metadata
from types import SimpleNamespace

import numpy as np
import pytest

from tuner.errors import UserError
from tuner.space import SearchSpace, load_model, load_space
from tuner.space.environment import missing_in

PACKAGES = ("accelerator", "flash_attn_installed", "quanto_installed", "hqq_installed")


@pytest.fixture(scope="module")
def space():
    """What this machine can run."""
    return here({})


@pytest.fixture(scope="module")
def everywhere():
    """What a machine with an accelerator and every package can run."""
    return load_space("transformers", pins=dict.fromkeys(PACKAGES, True))


def here(pins):
    """The space of a machine with eight processors and nothing else, under pins."""
    return _here(tuple(pins.items()))


@functools.cache
def _here(pins):
    model = load_model("transformers")
    missing = missing_in(model, metadata.version("transformers"))
    return SearchSpace.from_model(model, pins={**dict.fromkeys(missing, False), **dict(pins)})


def generation_config(request):
    """The arguments of a request as transformers' own settings."""
    from transformers import GenerationConfig

    plain = {k: v for k, v in request.items() if "." not in k and k != "assistant_model"}
    nested = {k.removeprefix("cache_config."): v for k, v in request.items() if "." in k}
    return GenerationConfig(**plain, **({"cache_config": nested} if nested else {}))


class Engine:
    """transformers in this process, with the built-in models, or untrained ones without them."""

    prompts = ("Sort: 3 1 2. Answer:", "12+34=46. 12+34=", "7")

    def __init__(self, untrained):
        from transformers import AutoTokenizer

        self.untrained, self.models = untrained, {}
        self.tokenizer = AutoTokenizer.from_pretrained(untrained, padding_side="left")

    def model(self, model="builtin:small", dtype="float32", attn_implementation="sdpa"):
        from transformers import AutoModelForCausalLM

        from tuner.builtin_models import model_path

        key = (model, dtype, attn_implementation)
        if key not in self.models:
            folder = model_path(model)
            model = AutoModelForCausalLM.from_pretrained(
                folder if (folder / "model.safetensors").is_file() else self.untrained,
                dtype=dtype,
                attn_implementation=attn_implementation,
            ).eval()
            checkpoint = copy.deepcopy(model.generation_config)
            self.models[key] = SimpleNamespace(
                model=model, checkpoint=checkpoint, tokenizer=self.tokenizer
            )
        return self.models[key]

    def run(self, request, load=None, batch_size=1, tokens=6):
        """Generate as the tuner's engine does, a few tokens only."""
        import torch

        from tuner.engines.transformers_generation import effective_config, set_assistant

        loaded = self.model(**(load or {}))
        request = {"max_new_tokens": tokens, **request}
        if "max_new_tokens" in request and request["max_new_tokens"] > 0:
            request["max_new_tokens"] = tokens
        extra = {}
        if name := request.pop("assistant_model", None):
            draft = copy.copy(self.model(**{**(load or {}), "model": name}))
            if draft.model is loaded.model:
                draft.model = copy.deepcopy(draft.model)
            set_assistant(draft, request)
            extra["assistant_model"] = draft.model
        loaded.model.generation_config = effective_config(loaded, request)
        prompts = [self.prompts[i % 3] for i in range(batch_size)]
        inputs = self.tokenizer(prompts, return_tensors="pt", padding=True)
        torch.manual_seed(0)
        with torch.no_grad():
            return loaded.model.generate(
                inputs["input_ids"], attention_mask=inputs["attention_mask"], **extra
            )


@pytest.fixture(scope="session")
def engine(tiny_model):
    import torch
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield Engine(tiny_model)
    torch.set_num_threads(threads)


# --- both sides of every rule -------------------------------------------------------------------


@dataclass
class Rule:
    """A rule by its two sides.

    Attributes:
        name: the rule, in a few words.
        refused: values that our space refuses.
        accepted: nearly the same values, which it takes.
        told: what the engine would be told for `refused`; None where it can't be tried here.
        raises: the engine's error; None where it only warns, which `validate(strict=True)` shows.
        load: what the model would be loaded with.
        batch_size: prompts at once.
        pins: what has to be pinned to say it.
    """

    name: str
    refused: dict
    accepted: dict
    told: dict | None = None
    raises: str | None = None
    load: dict = field(default_factory=dict)
    batch_size: int = 1
    pins: dict = field(default_factory=dict)


LOOKUP = {"prompt_lookup_num_tokens": 2}
DRAFT = {"assistant_model": "builtin:small"}
FP8 = {"cache_implementation": "quantized", "cache_config.backend": "fp8"}
ANY = r"."

RULES = [
    Rule(
        "temperature needs sampling",
        {"token_choice": "Greedy", "temperature": 0.4},
        {"token_choice": "Sampling", "temperature": 0.4},
        {"do_sample": False, "temperature": 0.4},
    ),
    *(
        Rule(
            f"{name} needs sampling",
            {"token_choice": "Greedy", name: value},
            {"token_choice": "Sampling", name: value},
            {"do_sample": False, name: value},
        )
        for name, value in [
            ("top_k", 20),
            ("top_p", 0.9),
            ("min_p", 0.05),
            ("typical_p", 0.8),
            ("top_h", 0.4),
            ("epsilon_cutoff", 0.001),
            ("eta_cutoff", 0.001),
        ]
    ),
    Rule(
        "early stopping needs beams",
        {"search": "OneByOne", "early_stopping": "StopAtOnce"},
        {"search": "Beams", "early_stopping": "StopAtOnce"},
        {"num_beams": 1, "early_stopping": True},
    ),
    Rule(
        "a length penalty needs beams",
        {"search": "OneByOne", "length_penalty": 2.0},
        {"search": "Beams", "length_penalty": 2.0},
        {"num_beams": 1, "length_penalty": 2.0},
    ),
    Rule(
        "no cache has no implementation",
        {"cache": "NoCache", "cache_backend": "Fp8"},
        {"cache": "Quantised"},
        {"use_cache": False, **FP8},
    ),
    Rule(
        "greedy decoding has one answer",
        {"search": "OneByOne", "token_choice": "Greedy"},
        {"search": "OneByOne", "token_choice": "Sampling"},
        {"num_return_sequences": 2},
        "Greedy methods",
        pins={"num_return_sequences": 2},
    ),
    Rule(
        "no more answers than beams",
        {"num_beams": 3},
        {"num_beams": 4},
        {"num_return_sequences": 4, "num_beams": 3},
        "smaller or equal to `num_beams`",
        pins={"num_return_sequences": 4},
    ),
    *(
        Rule(
            f"{search} has one answer",
            {"search": search},
            {"search": "Beams"},
            {"num_return_sequences": 2, "do_sample": True, **told},
            "num_return_sequences has to be 1",
            pins={"num_return_sequences": 2},
        )
        for search, told in [("PromptLookup", LOOKUP), ("Assistant", DRAFT)]
    ),
    *(
        Rule(
            f"{search}: {what}",
            {"search": search, **refused},
            {"search": search, **accepted},
            {**told, **more},
            raises,
            batch_size=batch_size,
        )
        for search, told in [("PromptLookup", LOOKUP), ("Assistant", DRAFT)]
        for what, refused, accepted, more, raises, batch_size in [
            ("one prompt", {"batch_size": 2}, {"batch_size": 1}, {}, "batch_size = 1", 2),
            (
                "needs a cache",
                {"cache": "NoCache"},
                {"cache": "Dynamic"},
                {"use_cache": False},
                "requires `use_cache=True`",
                1,
            ),
            (
                "no static cache",
                {"cache": "Static"},
                {"cache": "Dynamic"},
                {"cache_implementation": "static"},
                "not supported with Static",
                1,
            ),
            ("no quantised cache", {"cache": "Quantised"}, {"cache": "Dynamic"}, FP8, ANY, 1),
        ]
    ),
    Rule(
        "reading in pieces needs a cache",
        {"prefill_chunk_size": 16, "cache": "NoCache"},
        {"prefill_chunk_size": 16, "cache": "Static"},
        {"prefill_chunk_size": 16, "use_cache": False},
        "prefill chunking without a cache",
    ),
    *(
        Rule(
            f"{cache} needs an accelerator",
            {"cache": cache},
            {"cache": "Static"},
            {"cache_implementation": told},
            ANY,
        )
        for cache, told in [("Offloaded", "offloaded"), ("OffloadedStatic", "offloaded_static")]
    ),
    *(
        Rule(
            f"{backend} needs its package",
            {"cache_backend": backend},
            {"cache": "Quantised"},
            {"cache_implementation": "quantized", "cache_config.backend": backend.lower()},
            "nstall",
        )
        for backend in ("Quanto", "Hqq")
    ),
    Rule(
        "flash attention needs its package and an accelerator",
        {"attn_implementation": "flash_attention_2"},
        {"attn_implementation": "eager"},
        {},
        "FlashAttention2",
        load={"dtype": "bfloat16", "attn_implementation": "flash_attention_2"},
    ),
    Rule("the draft model is smaller", {"model": "builtin:small", "search": "Assistant"},
         {"model": "builtin:base", "search": "Assistant"}),
    Rule("the draft model is smaller than the middle one",
         {"model": "builtin:base", "assistant_model": "builtin:base"},
         {"model": "builtin:large", "assistant_model": "builtin:base"}),
    Rule("float16 is for accelerators", {"dtype": "float16"}, {"dtype": "bfloat16"}),
    Rule("no more threads than processors", {"threads": 16}, {"threads": 8}),
    Rule("a batch of beams fits into memory", {"batch_size": 32, "num_beams": 4},
         {"batch_size": 16, "num_beams": 4}),
    Rule("a batch of answers fits into memory", {"batch_size": 32, "search": "Beams"},
         {"batch_size": 16, "search": "Beams"}, pins={"num_return_sequences": 4}),
    Rule("an answer is no longer than it may be", {"max_new_tokens": 16}, {"max_new_tokens": 32},
         pins={"min_new_tokens": 32}),
    *(
        Rule(f"{name}={value}", {name: value}, {name: good}, told, ANY)
        for name, value, good, told in [
            ("temperature", 0.0, 0.2, {"do_sample": True, "temperature": 0.0}),
            ("top_k", -1, 5, {"do_sample": True, "top_k": -1}),
            ("top_p", -0.1, 0.9, {"do_sample": True, "top_p": -0.1}),
            ("min_p", 2.0, 0.1, {"do_sample": True, "min_p": 2.0}),
            ("typical_p", 0.0, 0.5, {"do_sample": True, "typical_p": 0.0}),
            ("top_h", 0.0, 0.4, {"do_sample": True, "top_h": 0.0}),
            ("repetition_penalty", 0.0, 1.1, {"repetition_penalty": 0.0}),
            ("no_repeat_ngram_size", 2.5, 3, {"no_repeat_ngram_size": 2.5}),
            ("num_beams", 0, 4, {"num_beams": 0}),
            ("early_stopping", "sometimes", "StopWhenCertain",
             {"num_beams": 2, "early_stopping": "sometimes"}),
            ("max_new_tokens", 0, 16, {"max_new_tokens": 0}),
            ("prompt_lookup_num_tokens", 0, 2, {"prompt_lookup_num_tokens": 0}),
            ("prefill_chunk_size", 0, 16, {"prefill_chunk_size": 0}),
            ("cache", "Mamba", "Static", {"cache_implementation": "mamba"}),
            ("cache_backend", "Int4", "Fp8", {**FP8, "cache_config.backend": "int4"}),
        ]
    ),
]  # fmt: skip


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_our_space_takes_one_side_and_refuses_the_other(rule):
    space = here(rule.pins)
    accepted = {k: v for k, v in rule.accepted.items() if not only_one(space, k, v)}
    found = space.configuration(accepted)
    assert {k: found[k] for k in accepted} == accepted
    with pytest.raises(UserError):
        space.configuration(rule.refused)


def only_one(space, name, value):
    """Whether nothing else is left, so that there is no parameter."""
    return name not in {p.name for p in space.parameters} and name in ("cache_backend",) and value


@pytest.mark.parametrize(
    "rule", [rule for rule in RULES if rule.told is not None], ids=lambda rule: rule.name
)
def test_the_engine_refuses_what_our_space_refuses(rule, engine):
    if rule.raises is None:
        with pytest.raises(ValueError, match="invalid"):
            generation_config(rule.told).validate(strict=True)
    else:
        error = (
            ValueError,
            ImportError,
            RuntimeError,
            ArithmeticError,
            LookupError,
            AssertionError,
        )
        with pytest.raises(error, match=rule.raises):
            engine.run(rule.told, rule.load, rule.batch_size, tokens=12)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_the_engine_runs_what_our_space_takes(rule, engine):
    space = here(rule.pins)
    accepted = {k: v for k, v in rule.accepted.items() if not only_one(space, k, v)}
    arguments = space.arguments(space.configuration(accepted))
    output = engine.run(arguments.request, arguments.load, arguments.harness["batch_size"])
    assert output.numel() > 0


# --- by the thousand ----------------------------------------------------------------------------


@pytest.mark.parametrize("uniform", [True, False])
def test_two_thousand_configurations_pass_the_engine_s_own_check(everywhere, uniform):
    codes = everywhere.sample(2000, np.random.default_rng(0), uniform=uniform)
    for configuration in everywhere.decode(codes):
        generation_config(everywhere.arguments(configuration).request).validate(strict=True)


@pytest.mark.slow
@pytest.mark.parametrize("uniform", [True, False])
def test_configurations_run(space, engine, uniform):
    codes = space.sample(150, np.random.default_rng(1), uniform=uniform)
    for configuration in space.decode(codes):
        arguments = space.arguments(configuration)
        try:
            engine.run(arguments.request, arguments.load, arguments.harness["batch_size"])
        except Exception as error:
            raise AssertionError(f"the engine refuses {configuration}") from error


ASKED = [
    "num_return_sequences=2",
    "guidance_scale=1.5",
    "min_new_tokens=4",
    "encoder_repetition_penalty=1.1",
    "encoder_no_repeat_ngram_size=3",
    "renormalize_logits=true",
    "max_cache_len=512",
    "assistant_ensemble_weight=0.25",
]


@pytest.mark.slow
@pytest.mark.parametrize("pin", ASKED)
def test_what_can_be_asked_for_runs(engine, pin):
    from tuner.space import parse_pins

    space = here(parse_pins(load_model("transformers"), [pin]))
    name = pin.partition("=")[0]
    for configuration in space.decode(space.sample(6, np.random.default_rng(0))):
        arguments = space.arguments(configuration)
        assert name in arguments.request
        engine.run(arguments.request, arguments.load, arguments.harness["batch_size"])


# --- what the defaults and the inert choices mean -----------------------------------------------


def test_the_default_is_what_the_engine_does_unasked(space, engine):
    from transformers import GenerationConfig

    request = dict(space.arguments(space.default).request)
    assert request.pop("max_new_tokens") == 64
    unasked = GenerationConfig._get_default_generation_params()
    assert request == {name: unasked[name] for name in request}
    assert space.arguments(space.default).harness == {"batch_size": 1, "threads": 8}
    told = engine.run(space.arguments(space.default).request)
    assert (told == engine.run({})).all()


def test_every_default_is_the_engine_s_own(everywhere):
    from transformers import GenerationConfig

    unasked = GenerationConfig._get_default_generation_params()
    chosen = {"max_new_tokens", "top_p", "typical_p", "epsilon_cutoff", "eta_cutoff",
              "num_beams", "no_repeat_ngram_size"}  # fmt: skip
    checked = 0
    for p in everywhere.parameters:
        if p.name in unasked and p.kind == "ordered" and p.name not in chosen:
            assert p.default == unasked[p.name], p.name
            checked += 1
    assert checked >= 5


def test_truncation_is_one_at_a_time_and_nothing_else_leaks_in(everywhere):
    cuts = {"top_p", "min_p", "typical_p", "top_h", "epsilon_cutoff", "eta_cutoff"}
    for c in everywhere.decode(everywhere.sample(500, np.random.default_rng(0))):
        request = everywhere.arguments(c).request
        if c["token_choice"] == "Greedy":
            assert not (cuts | {"temperature", "top_k"}) & set(request)
        else:
            assert {"temperature", "top_k", "top_p"} <= set(request)
            assert sum(name in request for name in cuts - {"top_p"}) + (request["top_p"] < 1) <= 1


@pytest.mark.parametrize(
    "same",
    [
        ({"renormalize_logits": False}, {"renormalize_logits": True}),
        (
            {"token_choice": "Sampling", "renormalize_logits": False},
            {"token_choice": "Sampling", "renormalize_logits": True},
        ),
        ({"use_max_cache_len": False}, {"max_cache_len": 512}),
    ],
    ids=["renormalised-greedy", "renormalised-sampling", "cache-length"],
)
def test_inert_choices_are_one_configuration_and_one_output(engine, same):
    model = load_model("transformers")
    domains = {"max_cache_len": (512, 1024)}
    space = SearchSpace.from_model(model, pins={"cpus": 8}, domains=domains)
    space = freed(space)
    first, second = (space.configuration(values) for values in same)
    assert first == second
    told = [dict(space.arguments(first).request) for _ in same]
    told[1] |= {"renormalize_logits": True} if "renormalize_logits" in same[1] else {}
    told[1] |= {"max_cache_len": 512} if "max_cache_len" in same[1] else {}
    assert (engine.run(told[0], tokens=12) == engine.run(told[1], tokens=12)).all()


def freed(space):
    """The same space with everything that is only asked for to be tuned."""
    model = space.model.with_attributes({"Asked": {"fixed": False}})
    return SearchSpace.from_model(model, pins=space.pins)


# --- on other machines --------------------------------------------------------------------------


def test_an_accelerator_switches_on_what_needs_one(space, everywhere):
    def values(of, name):
        return {v for p in of.parameters if p.name == name for v in p.values}

    assert values(everywhere, "cache") > values(space, "cache")
    assert "Offloaded" not in values(space, "cache")
    assert "flash_attention_2" in values(everywhere, "attn_implementation")
    assert not values(space, "compilation")
    for c in everywhere.decode(everywhere.sample(300, np.random.default_rng(0))):
        static = c["cache"] in ("Static", "OffloadedStatic")
        assert static or c["compilation"] == "Automatic"
        if c["attn_implementation"] == "flash_attention_2":
            assert c["dtype"] != "float32"


def test_the_back_ends_of_the_quantised_cache_keep_to_their_own_options(everywhere):
    seen = set()
    for c in everywhere.decode(everywhere.sample(1500, np.random.default_rng(0))):
        request = everywhere.arguments(c).request
        backend = request.get("cache_config.backend")
        options = {k for k in request if k.startswith("cache_config.")} - {"cache_config.backend"}
        seen.add(backend)
        if backend in (None, "fp8"):
            assert not options
        else:
            assert options
            assert (
                request["cache_config.nbits"] in {"quanto": (2, 4), "hqq": (1, 2, 3, 4, 8)}[backend]
            )
    assert seen == {None, "fp8", "quanto", "hqq"}


def test_another_model_has_no_built_in_draft_model():
    model = load_model("transformers")
    space = SearchSpace.from_model(model, domains={"model": ("organisation/model",)})
    assert "Assistant" not in {v for p in space.parameters if p.name == "search" for v in p.values}
    space = SearchSpace.from_model(
        model,
        domains={"model": ("organisation/large",), "assistant_model": ("organisation/small",)},
    )
    arguments = space.arguments(space.configuration({"search": "Assistant"}))
    assert arguments.request["assistant_model"] == "organisation/small"
    assert arguments.load["model"] == "organisation/large"
