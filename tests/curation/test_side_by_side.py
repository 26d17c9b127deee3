from sc2lib.curation.side_by_side import side_by_side


def test_changed_added_and_removed_lines_are_marked():
    assert side_by_side("a\nb\nc\nd\n", "a\nB\nc\nd\ne\n", width=3) == [
        "a     a",
        "b   | B",
        "c     c",
        "d     d",
        "    > e",
    ]
    assert side_by_side("a\nb\n", "a\n", width=3) == ["a     a", "b   <"]


def test_equal_lines_far_from_a_change_are_left_out():
    text = "\n".join(map(str, range(30)))
    rows = side_by_side(text, text.replace("15", "x"), width=4, context=1)
    assert rows == ["…", "14     14", "15   | x", "16     16"]


def test_long_lines_are_cut_and_equal_texts_give_nothing():
    assert side_by_side("abcdef", "abcdeX", width=4) == ["abc… | abc…"]
    assert side_by_side("same\n", "same\n") == []


def test_no_address_is_shown():
    assert side_by_side("by me@host.org\nx = 1", "by me@host.org\nx = 2", width=14) == [
        "by <EMAIL>       by <EMAIL>",
        "x = 1          | x = 2",
    ]
