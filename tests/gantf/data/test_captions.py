"""Captions name their class and no other; texts become word numbers and back."""

import pytest

from evaluation import InputError
from gantf.data import captions

DIGITS = tuple("0123456789")


@pytest.fixture
def expected_names():
    return captions.vocabulary(captions.of_classes(DIGITS))


def test_a_digit_is_named_in_words_and_in_figures():
    texts = captions.of_classes(DIGITS)
    assert {"seven", "7", "a seven", "the digit 7", "a photo of a seven"} <= set(texts[7])
    assert {"an eight", "an 8", "a handwritten 8"} <= set(texts[8])
    assert len({len(of_class) for of_class in texts}) == 1


@pytest.mark.parametrize(
    ("name", "caption"),
    [
        ("cat", "a photo of a cat"),
        ("Golden_Retriever", "a picture of a golden retriever"),
        ("apple", "an image of an apple"),
        ("unicorn", "a unicorn"),
        ("12", "a 12"),
        ("one-way", "a one way"),
    ],
)
def test_another_name_is_written_as_words(name, caption):
    (texts,) = captions.of_classes([name])
    assert caption in texts
    assert len(texts) == len(set(texts)) == len(captions.TEMPLATES)
    assert all(" ".join(captions.words_of(name)) in text for text in texts)


def test_no_caption_belongs_to_two_classes():
    texts = [text for of_class in captions.of_classes(DIGITS) for text in of_class]
    assert len(texts) == len(set(texts))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["A", "a"], "the classes 'A' and 'a' have the caption 'a' in common"),
        (["7", "seven"], "the classes '7' and 'seven' have the caption 'seven' in common"),
        (["cat", "a cat"], "have the caption 'a cat' in common"),
        (["cat", "--"], "the class '--' has no letter and no digit"),
    ],
)
def test_names_that_no_caption_tells_apart_are_refused(names, message):
    with pytest.raises(InputError, match=message) as error:
        captions.of_classes(names)
    assert "rename" in str(error.value)


def test_each_caption_comes_back_from_its_tokens(expected_names):
    for of_class in captions.of_classes(DIGITS):
        for text in of_class:
            tokens = expected_names.tokens_of(text)
            assert len(tokens) == expected_names.length
            assert expected_names.text_of(tokens) == text
            words = len(text.split())
            assert captions.PADDING not in tokens[:words]
            assert set(tokens[words:]) <= {captions.PADDING}


def test_other_texts_give_other_tokens(expected_names):
    texts = [text for of_class in captions.of_classes(DIGITS) for text in of_class]
    assert len({expected_names.tokens_of(text) for text in texts}) == len(texts)


def test_case_signs_and_spaces_do_not_count(expected_names):
    assert expected_names.tokens_of("  A photo, of a SEVEN! ") == expected_names.tokens_of(
        "a photo of a seven"
    )


def test_words_are_numbered_from_one_in_the_alphabets_order():
    expected_names = captions.vocabulary([["b a"], ["c"]])
    assert expected_names == captions.Vocabulary(("a", "b", "c"), 2)
    assert expected_names.tokens_of("c") == (3, 0)
    assert expected_names.tokens_of("b a") == (2, 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a sevn", r"^--prompt 'a sevn': 'sevn' is unknown; did you mean 'seven'\?$"),
        ("sevn fiv", r"'sevn' is unknown; did you mean .*\? 'fiv' is unknown; did you mean 'five'"),
        ("xylophone", r"'xylophone' is unknown; choose from 0, 1, .* and \d+ more\.$"),
        ("", r"^--prompt '' has no words; give some, e.g. 0, 1"),
        (" !? ", r"^--prompt ' !\? ' has no words"),
        ("a a a a a a 7", r"has 7 words, and the model reads at most 6; shorten it"),
    ],
)
def test_texts_that_the_model_cannot_read_are_refused(expected_names, text, message):
    with pytest.raises(InputError, match=message) as error:
        expected_names.tokens_of(text)
    assert "\n" not in str(error.value)
