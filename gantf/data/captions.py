"""Captions of class names, and the texts of a user, as word numbers."""

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
CONSONANTS = ("one", "uni", "eu")  # how names start that are spelt with a vowel, spoken without
PADDING = 0  # the number of no word; those of words start at 1
SHOWN_WORDS = 20


def of_classes(names: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """The captions of each class: "seven", "7", "a seven", "the digit 7", "a photo of a cat" ...

    Args:
      names: of the classes, such as folders have; letter case and signs do not count.

    Raises:
      InputError: a name holds no letter and no digit, or two classes have a caption in common.
    """
    captions = tuple(_of_class(name) for name in names)
    owner: dict[str, str] = {}
    for name, texts in zip(names, captions, strict=True):
        for text in texts:
            if text in owner:
                raise InputError(
                    f"the classes {owner[text]!r} and {name!r} have the caption {text!r} in "
                    "common, so that it asks for neither; rename one."
                )
            owner[text] = name
    return captions


def _of_class(name: str) -> tuple[str, ...]:
    spoken = " ".join(words_of(name))
    if not spoken:
        raise InputError(
            f"the class {name!r} has no letter and no digit, so that no caption can name it; "
            "rename it."
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
    """The words of a text: runs of letters and digits, in lower case."""
    text = unicodedata.normalize("NFKC", text).casefold()
    kept = (sign if unicodedata.category(sign)[0] in "LMN" else " " for sign in text)
    return "".join(kept).split()


@dataclasses.dataclass(frozen=True)
class Vocabulary:
    """The words that a model knows.

    Attributes:
      words: number 1 is the first.
      length: the most words in a text; shorter ones are padded to it.
    """

    words: tuple[str, ...]
    length: int

    def tokens_of(self, text: str) -> tuple[int, ...]:
        """The numbers of a text's words, padded behind with `PADDING`: shape (length,).

        Raises:
          InputError: it is empty, too long, or has a word that the model does not know.
        """
        words = words_of(text)
        if not words:
            raise InputError(
                f"--prompt {text!r} has no words; give some, such as {self._some(SHOWN_WORDS)}."
            )
        if len(words) > self.length:
            raise InputError(
                f"--prompt {text!r} has {len(words)} words, and the model reads at most "
                f"{self.length}; shorten it."
            )
        unknown = [word for word in dict.fromkeys(words) if word not in self.words]
        if unknown:
            told = " ".join(self._unknown(word) for word in unknown)
            raise InputError(f"--prompt {text!r}: {told}")
        numbers = [self.words.index(word) + 1 for word in words]
        return tuple(numbers + [PADDING] * (self.length - len(numbers)))

    def text_of(self, tokens: Sequence[int]) -> str:
        """The text of word numbers; padding is left out."""
        return " ".join(self.words[token - 1] for token in tokens if token != PADDING)

    def _unknown(self, word: str) -> str:
        near = difflib.get_close_matches(word, self.words, n=3)
        if near:
            return f"{word!r} is unknown; did you mean {' or '.join(map(repr, near))}?"
        return f"{word!r} is unknown; the model knows {self._some(SHOWN_WORDS)}."

    def _some(self, count: int) -> str:
        more = len(self.words) - count
        return ", ".join(self.words[:count]) + (f" and {more} more" if more > 0 else "")


def vocabulary(captions: Sequence[Sequence[str]]) -> Vocabulary:
    """The words of all captions, in the order of the alphabet, and the longest one's length."""
    split = [words_of(text) for texts in captions for text in texts]
    words = {word for caption in split for word in caption}
    return Vocabulary(tuple(sorted(words)), max(len(caption) for caption in split))
