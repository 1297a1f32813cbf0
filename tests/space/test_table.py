"""Tables of past measurements as people have them: blanks, words, failures, decimal commas."""

from __future__ import annotations

import numpy as np
import pytest

from tuner.errors import UserError
from tuner.space import INACTIVE, read_table


@pytest.fixture
def read(tmp_path):
    def read(text, objectives=("y",), features=None):
        path = tmp_path / "t.csv"
        path.write_text(text)
        return read_table(path, list(objectives), features)

    return read


def parameters(table):
    return {p.name: p.values for p in table.space.parameters}


@pytest.mark.parametrize(
    ("column", "values"),
    [
        (["1", "2", "4", "8", ""], {"x_is": ("(blank)", "number"), "x": (1, 2, 4, 8)}),
        (["true", "false", ""], {"x": ("(blank)", "false", "true")}),
        (["1", "2", ""], {"x": ("(blank)", "1", "2")}),
        (["a", "b", ""], {"x": ("", "a", "b")}),
    ],
)
def test_a_blank_cell_merges_nothing(read, column, values):
    rows = "".join(f"{cell},{i % 3},{i}\n" for i, cell in enumerate(column))
    table = read(f"x,z,y\n{rows}")
    assert len(table.space) == len(column)
    assert table.values.ravel().tolist() == list(range(len(column)))
    assert values.items() <= parameters(table).items()


def test_a_word_beside_numbers_is_one_special_value(read):
    rows = "".join(f"{n},{n}\n" for n in range(1, 17))
    table = read(f"x,y\n{rows}auto,0\n")
    kind, x = table.space.parameters
    assert (kind.name, kind.kind, kind.values) == ("x_is", "categorical", ("auto", "number"))
    assert (x.name, x.kind, x.values) == ("x", "ordered", tuple(range(1, 17)))
    assert x.parent == ("x_is", frozenset({"number"}))
    auto = table.space.configuration({"x_is": "auto"})
    assert dict(auto) == {"x_is": "auto"}
    assert table.space.encode([auto])[0].tolist() == [0, INACTIVE]
    assert len(table.space) == 17


def test_few_numbers_beside_words_are_categories(read):
    table = read("x,y\nauto,1\n1,2\n0.5,3\nNone,4\n1.0,6\n")
    assert parameters(table)["x"] == ("0.5", "1", "None", "auto")
    assert table.values.ravel().tolist() == [1, 4, 3, 4]


def test_versions_and_names_stay_as_they_are_written(read):
    table = read("x,y\n3.1,1\n3.10,2\n3.x,3\nv4,4\n")
    assert parameters(table)["x"] == ("3.1", "3.10", "3.x", "v4")


def test_true_and_false_are_written_in_any_case(read):
    assert parameters(read("x,y\nTrue,1\nTRUE,3\nfalse,2\n"))["x"] == (False, True)


def test_a_new_column_takes_no_name_that_is_there(read):
    table = read("x,x_is,y\n1,a,1\n2,b,2\n3,a,3\nauto,b,4\n")
    assert set(parameters(table)) == {"x", "x_is", "x_is_"}


@pytest.mark.parametrize(
    "text",
    [
        "x;y\n1;3,5\n2;-,25\n3;1e3\n",
        "x\ty\n1\t3,5\n2\t-,25\n3\t1000\n",
        "x;y\n1;3.5\n2;-.25\n3;1e3\n",
        '"x","y"\n\n"1","3.5"\n , \n2,-.25\n3,1000\n\n',
        "x,y\r\n1,3.5\r\n2,-.25\r\n3,1000\r\n",
        "\ufeffx , y\n1 , 3.5\n2,-.25\n3,1000\n",
    ],
)
def test_separators_decimal_commas_and_blank_lines_are_recognised(read, text):
    table = read(text)
    assert parameters(table) == {"x": (1, 2, 3)}
    assert table.values.ravel().tolist() == [3.5, -0.25, 1000.0]


def test_decimal_commas_of_features_are_numbers(read):
    assert parameters(read("x;y\n0,5;1\n1;2\n1,5;3\n"))["x"] == (0.5, 1.0, 1.5)


@pytest.mark.parametrize("word", ["", "nan", "NaN", "NA", "OOM", "None", "-"])
def test_rows_without_a_number_are_left_out_with_a_word(read, word):
    table = read(f"x,y\n1,10\n\n2,{word}\n3,30\n")
    assert table.values.ravel().tolist() == [10.0, 30.0]
    (note,) = table.notes
    assert "1 of 3 rows are left out" in note
    assert f"line 4: y is {word!r}" in note or (not word and "line 4: y is blank" in note)


def test_rows_that_are_averaged_are_said_with_what_tells_them_apart(read):
    table = read("x,seed,gpu,y\n1,1,a,10\n1,2,a,20\n2,1,a,5\n", features=["x"])
    assert table.values.ravel().tolist() == [15.0, 5.0]
    assert table.notes == (
        "3 rows, 2 configurations: rows with the same features are averaged; "
        "they differ in seed, no features here.",
    )


def test_a_table_without_surprises_has_no_notes(read):
    assert read("x,y\n1,2\n2,3\n").notes == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x,y\n1,2\n\n2,fast\n", "line 4.*column 'y'.*'fast'"),
        ("x,y\n1,1e999\n", "line 2.*column 'y'"),
        ('x,y\n1,"3,1"\n', "line 2.*column 'y'.*decimal comma"),
        ("x,y\n1,2\n2,3,4\n", "line 3.*3 cells.*2"),
        ('x,y\n1,2\n"2,3\n3,4\n', "line 3.*quote is never closed"),
        ("x,y,x\n1,2,3\n", "'x' 2 times: columns 1 and 3"),
        ("x,y\n1,nan\n2,\n", "no row with a value"),
        ("\n\n", "no rows"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_line_and_column(read, text, words):
    with pytest.raises(UserError, match=words):
        read(text)


def test_a_cell_of_several_lines_counts_them(read):
    with pytest.raises(UserError, match="line 4"):
        read('x,y\n"a\nb",1\nc,fast\n')


def test_a_huge_cell_is_a_sentence(read):
    with pytest.raises(UserError, match="line 2"):
        read(f"x,y\n{'a' * 200_000},1\n")


def test_repeats_beside_a_failure_still_count(read):
    table = read("x,y\n1,10\n1,OOM\n1,14\n")
    assert table.values.tolist() == [[12.0]]
    assert table.sems[0, 0] == pytest.approx(2.0)
    assert len(table.notes) == 2


def test_a_blank_that_another_column_explains_is_inactive_beside_words(read):
    rows = ["greedy,,1", "sample,auto,2", "sample,1,3", "sample,2,4", "sample,4,5"]
    table = read("mode,top,y\n" + "\n".join(rows) + "\n")
    by_name = {p.name: p for p in table.space.parameters}
    assert by_name["top_is"].parent == ("mode", frozenset({"sample"}))
    assert by_name["top"].values == (1, 2, 4)
    greedy = table.space.configuration({"mode": "greedy"})
    assert dict(greedy) == {"mode": "greedy"}
    assert len(np.unique(table.space.rows_, axis=0)) == 5
