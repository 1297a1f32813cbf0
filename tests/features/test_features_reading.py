"""What the reader of UVL accepts, refuses with which words, and writes back."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest
from feature_oracle import random_text

from tuner.errors import UserError
from tuner.features import (
    ModelError,
    UvlError,
    lint,
    read_expression,
    read_uvl,
    write_uvl,
)

REPOSITORY = Path(__file__).parents[2]
SHARED = Path(os.environ.get("TUNER_SHARED", REPOSITORY.parent / "shared"))
SPACES = sorted((REPOSITORY / "spaces").glob("*.uvl"))

EVERYTHING = """
namespace Demo
include
    Arithmetic.*
    Type.string-constraints
features
    // The engine.
    Engine {engine 'x', abstract, nested {depth 2, flags [true, false]}}
        mandatory
            Integer beams {values [1, 2, 4], default 1}
            Real heat {min 0.1, max 1.5, step 0.1, inert 'beams > 1'}
        optional
            String model {values ['a', 'b'], default 'a'}
            "a name" {cost 3, constraint "a name" => B}
            B {cost 4.5, constraints [B => C, !B | C], fast true}
        [1..*]
            C cardinality [1..1]
            Boolean D
constraints
    // Why, in a sentence.
    // And one more.
    "a name" & B & C => beams * heat <= 64
    sum(cost) > 3 | model == 'a'
    !C => (D => C)
    B.fast & avg(Engine, cost) + B.cost * 2 - 1 >= Engine.nested.depth / 2
    len(model) < 3 <=> floor(heat) == 0
"""


def test_every_construct_is_read():
    model = read_uvl(EVERYTHING)
    assert model.namespace == "Demo"
    assert model.includes == ("Arithmetic.*", "Type.string-constraints")
    assert list(model.features) == ["Engine", "beams", "heat", "model", "a name", "B", "C", "D"]
    assert model.root.comment == "The engine."
    assert model.root.abstract
    assert model.root.attributes["nested"] == {"depth": 2, "flags": (True, False)}
    assert model.features["heat"].domain[:3] == (0.1, 0.2, 0.3)
    assert len(model.features["heat"].domain) == 15
    assert model.features["heat"].inert.text == "beams > 1"
    assert model.constraints[0].comment == "Why, in a sentence.\nAnd one more."
    assert model.constraints[0].line == 22
    assert len(model.all_constraints) == 8
    assert model.parent("D").name == "Engine"
    assert model.parent_groups["D"][1].upper == 2


ERRORS = {
    "": "line 1, column 1: there is no feature: expected a section `features`",
    "features": "line 1, column 9: expected a root feature",
    "features\n\tA\n\t\tmandatory\n": "expected the features of the group",
    "features\n\tA\n\tB": "line 3, column 2: .*one root",
    "features\n  A\n    or\n      B\n      B": "line 5, column 7: feature 'B' is there already",
    "features\n  A\n    some\n      B": "line 3, column 5: expected a group",
    "features\n  A\nfeatures\n  B": "a second section `features`",
    "wrong\n  A": "line 1, column 1: expected one of the sections",
    "features\n  A\nconstraints\n  B": "line 4, column 3: there is no feature 'B'",
    "features\n  Beams\nconstraints\n  Baems": "did you mean Beams",
    "features\n  A {x 1}\nconstraints\n  A.y > 3": "feature 'A' has no attribute 'y'",
    "features\n  A {x 1, x 2}": "attribute 'x' is given twice",
    "features\n  A\nconstraints\n  A > 3": "'A' is Boolean and has no value",
    "features\n  Integer A {min 1}\nconstraints\n  A > 'x'": "a number is compared with a text",
    "features\n  String A\nconstraints\n  A > 'x'": "compared by '==' and '!=' alone",
    "features\n  String A\nconstraints\n  A + 1 > 2": "needs numbers, not texts",
    "features\n  Integer A\nconstraints\n  A + 1": "something true or false",
    "features\n  Integer A\nconstraints\n  (A > 1) + 1 > 2": "expected a number or a text",
    "features\n  Integer A\nconstraints\n  1 < A < 3": "one comparison",
    "features\n  A\nconstraints\n  true": "no `true` in a constraint",
    "features\n  A\nconstraints\n  A => ": "line 4, column 8: expected a feature, a number",
    "features\n  A\nconstraints\n  A = 1": "'=' is no operator",
    "features\n  A\nconstraints\n  sum(x) > 1": "no feature has an attribute 'x'",
    "features\n  A\nconstraints\n  sum(A, x, y) > 1": "no more than 2",
    "features\n  A {x 'a'}\nconstraints\n  sum(x) > 1": "is no number",
    "features\n  Integer A\nconstraints\n  len(A) > 1": "`len` needs a text",
    "features\n  A {x [1,2}": "closes nothing",
    "features\n  A {x 3": "'{' is opened here and never closed",
    "features\n  A {x 3, inert 'B'}": "in `inert`, line 1, column 1: there is no feature 'B'",
    "features\n  A {inert 3}": "`inert` needs a constraint as a text",
    "features\n  A {x /* 3}": "comment is opened here and never closed",
    "features\n \tA\n\t\tor\n  B": "the indentation fits no open block",
    "features\n    A\n        or\n\tB": "indentation fits no open block: tabs and blanks are mixed",
    "features\n  A-B": "expected attributes in",
    "features\n  _A": "a name starts with a letter",
    'features\n  "A': "a quotation mark is opened here",
    'features\n  "A.B"': "needs printable characters, and no dot",
    "features\n  A {x 'y}": "an apostrophe is opened here",
    "features\n  or": "a keyword as its name goes in quotation marks",
    "features\n  A cardinality [1..3]": "several clones of one feature are not supported",
    "features\n  A\n    [3..2]\n      B": "at least 3 and at most 2 is impossible",
    "features\n  A\n    [x]\n      B": "expected a whole number",
    "imports\n  x as y\nfeatures\n  y.A": "a text can't import",
    "features\n  y.A": "no model is imported as 'y'",
    "include\n  Magic\nfeatures\n  A": "unknown language level",
    "features\n  Integer A {abstract true}": "can't be abstract",
    "\0": "the character U\\+0000 has no meaning",
    "features\n  A\x07": "the character U\\+0007",
    "features\n  A {x " + "9" * 10_000 + "}": "a whole number beyond",
    "features\n  A {x " + "9" * 10_000 + ".5}": "too large or too long",
    "features\n  A {x 1e999}": "too large",
    "features\n  A\nconstraints\n  " + "(" * 5000 + "A" + ")" * 5000: "nested deeper than 100",
    "features\n  A\nconstraints\n  " + "!" * 5000 + "A": "nested deeper than 100",
    "features\n  A\nconstraints\n  " + "A => " * 5000 + "A": "nested deeper than 100",
    "features\n  A {x " + "[" * 5000 + "]" * 5000 + "}": "nested deeper than 100",
    "features\n  A {x " + "{x " * 5000 + "1" + "}" * 5001: "nested deeper than 100",
    "features\n"
    + "".join("  " * i + f"A{i}\n" + "  " * i + " or\n" for i in range(1, 999)): "deeper",
}


@pytest.mark.parametrize("text", ERRORS, ids=lambda text: repr(text[:40]))
def test_an_error_names_the_place_and_what_was_expected(text):
    with pytest.raises(UvlError, match=ERRORS[text]) as caught:
        read_uvl(text)
    assert str(caught.value).startswith("<text>, line ")
    assert f"line {caught.value.line}, column {caught.value.column}: " in str(caught.value)
    assert isinstance(caught.value, UserError)


@pytest.mark.parametrize("cut", range(0, len(EVERYTHING), 7))
def test_a_file_cut_off_anywhere_is_read_or_refused(cut):
    with contextlib.suppress(UvlError):
        assert read_uvl(EVERYTHING[:cut]).root.name in "Engine"


@pytest.mark.parametrize("seed", range(150))
def test_what_is_written_reads_back_equal(seed):
    model = read_uvl(random_text(seed, inert=True))
    text = write_uvl(model)
    assert read_uvl(text) == model
    assert write_uvl(read_uvl(text)) == text


def test_everything_is_written_and_read_back():
    model = read_uvl(EVERYTHING)
    again = read_uvl(write_uvl(model))
    assert again == model
    assert again.constraints[0].comment == model.constraints[0].comment
    assert again.features["heat"].inert.expression == model.features["heat"].inert.expression


@pytest.mark.parametrize("value", [1e-7, 123456789.25, 1e20, -0.5, 0.1 + 0.2, 5e-324])
def test_numbers_are_written_without_exponents(value):
    model = read_uvl(f"features\n  A {{x {value!r}}}")
    text = write_uvl(model)
    assert "e" not in text.partition("x ")[2]
    assert read_uvl(text).root.attributes["x"] == value


@pytest.mark.parametrize("path", SPACES, ids=lambda path: path.stem)
def test_shipped_spaces_stay_within_the_official_grammar(path):
    model = read_uvl(path)
    assert model.notes == ()
    assert read_uvl(write_uvl(model)) == model


@pytest.mark.parametrize("name", ["pc_richmond", "tankwar", "uclibc", "busybox_1.18.0"])
def test_public_models_are_written_and_read_back(name):
    path = SHARED / "models" / f"{name}.uvl"
    if not path.is_file():
        pytest.skip("needs ../shared/models")
    model = read_uvl(path)
    assert read_uvl(write_uvl(model)) == model


def test_precedence_is_that_of_the_language():
    model = read_uvl(
        "features\n  A\n    optional\n      B\n      C\n      Integer x {values [1, 2]}"
    )
    same = {
        "A | B & C": "A | (B & C)",
        "A => B | C": "A => (B | C)",
        "A => B => C": "(A => B) => C",
        "A <=> B => C": "A <=> (B => C)",
        "!A & B": "(!A) & B",
        "!x > 1": "!(x > 1)",
        "x - 1 - 1 > 0": "(x - 1) - 1 > 0",
        "x + 2 * x > 0": "x + (2 * x) > 0",
    }
    for short, long in same.items():
        assert read_expression(model, short).expression == read_expression(model, long).expression


def test_imported_models_become_part_of_the_tree(tmp_path):
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "disk.uvl").write_text(
        "features\n  Disk\n    or\n      Ssd {inert 'Raid'}\n      Raid\nconstraints\n  Raid => Ssd"
    )
    (tmp_path / "main.uvl").write_text(
        "imports\n  parts.disk as d\nfeatures\n  Machine\n    optional\n      d.Disk\n"
        "constraints\n  d.Ssd => Machine"
    )
    model = read_uvl(tmp_path / "main.uvl")
    assert list(model.features) == ["Machine", "d.Disk", "d.Ssd", "d.Raid"]
    assert len(model.constraints) == 2
    flat = read_uvl(write_uvl(model))
    assert list(flat.features) == ["Machine", "d_Disk", "d_Ssd", "d_Raid"]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"main": "imports\n  main as m\nfeatures\n  m.A"}, "imports itself"),
        ({"main": "imports\n  no as n\nfeatures\n  n.A"}, "there is no file"),
        ({"main": 'imports\n  "/etc/passwd" as n\nfeatures\n  n.A'}, "own folder"),
        ({"main": "imports\n  b as n\nfeatures\n  n.X", "b": "features\n  B"}, "root feature 'B'"),
        ({"main": "imports\n  b as n\nfeatures\n  n.B {x 1}", "b": "features\n  B"}, "own file"),
        ({"main": "imports\n  b as n\nfeatures\n  A\n    or\n      n.B\n      n.B",
          "b": "features\n  B"}, "used twice"),
        ({"main": "imports\n  b as n\nfeatures\n  n.B", "b": "features\n  ?"}, "b.uvl, line 2"),
    ],
)  # fmt: skip
def test_faulty_imports_are_refused(tmp_path, files, message):
    for name, text in files.items():
        (tmp_path / f"{name}.uvl").write_text(text)
    with pytest.raises(UvlError, match=message):
        read_uvl(tmp_path / "main.uvl")


def test_files_that_are_none(tmp_path):
    with pytest.raises(UserError, match="can't read"):
        read_uvl(tmp_path / "missing.uvl")
    (tmp_path / "bytes.uvl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="not UTF-8"):
        read_uvl(tmp_path / "bytes.uvl")
    (tmp_path / "mark.uvl").write_bytes(b"\xef\xbb\xbffeatures\r\n\tA\r\n")
    assert read_uvl(tmp_path / "mark.uvl").root.name == "A"


DOMAINS = {
    "Integer x {min 1, max 4}": (1, 2, 3, 4),
    "Integer x {min 2, max 9, step 3}": (2, 5, 8),
    "Integer x {values [4, 1]}": (1, 4),
    "Integer x {min 1, max 1024, log true}": None,
    "Real x {min 0, max 0.3, step 0.1}": (0.0, 0.1, 0.2, 0.3),
    "Real x {min 0, max 1}": None,
    "String x {values ['b', 'a']}": ("b", "a"),
}


@pytest.mark.parametrize("text", DOMAINS)
def test_domains_follow_from_attributes(text):
    domain = read_uvl(f"features\n  A\n    mandatory\n      {text}").features["x"].domain
    if DOMAINS[text] is not None:
        assert domain == DOMAINS[text]
    else:
        assert len(domain) <= 21
        assert list(domain) == sorted(set(domain))


@pytest.mark.parametrize(
    "text",
    [
        "Integer x", "Integer x {min 1}", "String x", "Integer x {min 3, max 1}",
        "Integer x {min 1, max 3, step 0}", "Integer x {values []}", "Integer x {values [1, 1]}",
        "Integer x {values [1.5, 2]}", "String x {values [1, 2]}",
        "Real x {min 0, max 1, log true}",
        "Real x {min 0, max 1, step 0.0000001}", "Integer x {min 0.5, max 3, step 1}",
    ],
)  # fmt: skip
def test_a_domain_that_is_none_is_refused_by_name(text):
    model = read_uvl(f"features\n  A\n    mandatory\n      {text}")
    with pytest.raises(ModelError, match=r"feature 'x' \(line 4\)"):
        _ = model.features["x"].domain
    assert any("'x'" in str(remark) for remark in lint(model))


def test_the_linter_warns_of_what_is_probably_not_meant():
    model = read_uvl(
        """features
  A
    mandatory
      Integer sure {values [1, 2], default 3}
    optional
      Integer maybe {values [1, 2]}
      Plain {min 1}
      B
    [1..5]
      C
constraints
  sure <= 2
  maybe <= 2
  maybe => maybe <= 2
  B => maybe == sure
  maybe > 1 => B
"""
    )
    text = "\n".join(map(str, lint(model)))
    assert "line 4: the default 3 of feature 'sure' is not in its domain" in text
    assert "line 7: feature 'Plain' is Boolean" in text
    assert "allows 5 of 1" in text
    assert "line 13: `maybe <= 2` is false where 'maybe' is not selected" in text
    assert "line 15: `B => maybe == sure`" in text
    assert not any(f"line {n}:" in text for n in (12, 14, 16))


def test_what_the_official_grammar_refuses_is_noted():
    model = read_uvl(
        "features\n  A {v [8], e 1e-5}\n    or\n      Real x {min 1, max 2}\nconstraints\n  x > -1"
    )
    assert len(model.notes) == 3
    assert model.root.attributes["v"] == (8,)


def test_ten_thousand_features_are_read():
    lines = ["features", "\tRoot"]
    for i in range(100):
        lines += ["\t\toptional", f"\t\t\tG{i}", "\t\t\t\tor"]
        lines += [f"\t\t\t\t\tF{i}x{j}" for j in range(99)]
    lines += ["constraints", *(f"\tF{i}x1 => F{i + 1}x2" for i in range(99))]
    model = read_uvl("\n".join(lines))
    assert len(model.features) == 10_001
    assert write_uvl(model).count("\n") > 10_000
