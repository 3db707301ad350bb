"""Captions of classes, and the conversion of texts to word numbers."""

import dataclasses
import difflib
import unicodedata
from collections.abc import Sequence

from evaluation import InputError

TEMPLATES = (
    "{name}",
    "{article} {name}",
    "a photo of {article} {name}",
    "a picture of {article} {name}",
    "an image of {article} {name}",
)
DIGIT_TEMPLATES = (
    "the digit {name}",
    "the number {name}",
    "a handwritten {name}",
    "a picture of a handwritten {name}",
)
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
CONSONANTS = ("one", "uni", "eu")  # names that start with these letters take "a", not "an"
PADDING = 0  # word numbers start at 1
SHOWN_WORDS = 20


def of_classes(names: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Returns the captions of each class, e.g. "seven", "7", "the digit 7", "a photo of a cat".

    Args:
      names: the class names, e.g. folder names; letter case and punctuation are ignored.

    Raises:
      InputError: a name has no letter and no digit, or two classes have the same caption.
    """
    captions = tuple(_of_class(name) for name in names)
    owner: dict[str, str] = {}
    for name, texts in zip(names, captions, strict=True):
        for text in texts:
            if text in owner:
                raise InputError(
                    f"the classes {owner[text]!r} and {name!r} have the caption {text!r} in "
                    "common; rename one."
                )
            owner[text] = name
    return captions


def _of_class(name: str) -> tuple[str, ...]:
    spoken = " ".join(words_of(name))
    if not spoken:
        raise InputError(
            f"the class {name!r} has no letter and no digit, so it has no caption; rename it."
        )
    is_digit = spoken.isascii() and spoken.isdigit() and len(spoken) == 1
    forms = (DIGITS[int(spoken)], spoken) if is_digit else (spoken,)
    templates = TEMPLATES + DIGIT_TEMPLATES if is_digit else TEMPLATES
    return tuple(
        template.format(article=_article(form), name=form)
        for template in templates
        for form in forms
    )


def _article(name: str) -> str:
    vowel = name.startswith(tuple("aeiou8")) and not name.startswith(CONSONANTS)
    return "an" if vowel else "a"


def words_of(text: str) -> list[str]:
    """Returns the words of a text: runs of letters and digits, in lower case."""
    text = unicodedata.normalize("NFKC", text).casefold()
    characters = (c if unicodedata.category(c)[0] in "LMN" else " " for c in text)
    return "".join(characters).split()


@dataclasses.dataclass(frozen=True)
class Vocabulary:
    """The words of a model's texts.

    Attributes:
      words: the words; the first has number 1.
      length: largest number of words in a text; shorter texts are padded.
    """

    words: tuple[str, ...]
    length: int

    def tokens_of(self, text: str) -> tuple[int, ...]:
        """Returns the numbers of a text's words, padded at the end with `PADDING`: shape (length,).

        Raises:
          InputError: the text is empty, is too long, or has a word that is not in the vocabulary.
        """
        words = words_of(text)
        if not words:
            raise InputError(
                f"--prompt {text!r} has no words; give some, e.g. {self._some(SHOWN_WORDS)}."
            )
        if len(words) > self.length:
            raise InputError(
                f"--prompt {text!r} has {len(words)} words, and the model reads at most "
                f"{self.length}; shorten it."
            )
        unknown = [word for word in dict.fromkeys(words) if word not in self.words]
        if unknown:
            message = " ".join(self._unknown(word) for word in unknown)
            raise InputError(f"--prompt {text!r}: {message}")
        numbers = [self.words.index(word) + 1 for word in words]
        return tuple(numbers + [PADDING] * (self.length - len(numbers)))

    def text_of(self, tokens: Sequence[int]) -> str:
        """Returns the text of word numbers, without padding."""
        return " ".join(self.words[token - 1] for token in tokens if token != PADDING)

    def _unknown(self, word: str) -> str:
        near = difflib.get_close_matches(word, self.words, n=3)
        if near:
            return f"{word!r} is unknown; did you mean {' or '.join(map(repr, near))}?"
        return f"{word!r} is unknown; choose from {self._some(SHOWN_WORDS)}."

    def _some(self, count: int) -> str:
        more = len(self.words) - count
        return ", ".join(self.words[:count]) + (f" and {more} more" if more > 0 else "")


def vocabulary(captions: Sequence[Sequence[str]]) -> Vocabulary:
    """Returns the vocabulary of all captions, in alphabetical order."""
    split = [words_of(text) for texts in captions for text in texts]
    words = {word for caption in split for word in caption}
    return Vocabulary(tuple(sorted(words)), max(len(caption) for caption in split))
