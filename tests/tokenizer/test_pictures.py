"""Pictures of a vocabulary: the order of bars, what is marked, how tokens look as text."""

from sc2lib.tokenizer import pictures


def test_tokens_are_shown_as_one_line_of_code() -> None:
    assert pictures.visible(b"    return\n") == r"`····return\n`"
    assert pictures.visible(b"\xc3") == "`\N{REPLACEMENT CHARACTER}`"
    assert pictures.visible(b"`" + 60 * b"=") == "`'" + 39 * "=" + "`"


def test_bars_rise() -> None:
    (ax,) = pictures.language_bars({"C": 3.0, "Text": 4.5, "JSON": 2.0}).axes
    assert [label.get_text() for label in ax.get_yticklabels()] == ["JSON", "C", "Text"]
    (ax,) = pictures.special_token_bars({"<file_sep>": 900, "<repo_name>": 30}).axes
    assert [bar.get_width() for bar in ax.patches] == [30, 900]
    assert ax.get_xscale() == "log"


def test_this_run_and_starcoder2_are_marked() -> None:
    (ax,) = pictures.vocabulary_curve({512: 2.0, 1024: 2.4}, own_size=1024, own=2.5).axes
    curve, own, starcoder2 = ax.lines
    assert curve.get_xydata().tolist() == [[512, 2.0], [1024, 2.4]]
    assert own.get_xydata().tolist() == [[1024, 2.5]]
    assert set(starcoder2.get_xdata()) == {49_152}
