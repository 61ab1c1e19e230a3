"""Names of classes that are nearly equal, and so may be one class by mistake."""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations

SHORTEST = 4
"""Letters of a word below which one more or less makes another word: cat and coat."""

LONGEST = 64
"""Letters of a word above which it was not written by hand, and its slips are many to look for."""

RARE, TIMES = 2, 3
"""A class of so few examples, and another of so many times more, may differ by a wrong letter."""

Words = tuple[str, ...]


def near_names(names: Sequence[str], counts: Sequence[int]) -> list[tuple[str, str]]:
    """Pairs of names that may be meant as one, in the order of `names`.

    Two names are near where they are equal but for case, spaces or punctuation; or but for one word
    of 4 to 64 letters, in which a letter is added or dropped, or two neighbours are swapped;
    or in which one letter is another, if one class has two examples at most and the other at least
    three times as many: shirt and skirt are classes that many have. A digit is not a letter, nor is
    a character of Chinese, Japanese or Korean, which is half a word. Between digits a point counts:
    1.5 is not 15.

    names: different from each other. counts: the number of examples of each.
    """
    words = [_words(name) for name in names]
    first: dict[Words, int] = {}
    alike = defaultdict(list)
    for number, one in enumerate(words):
        first.setdefault(one, number)
        if one:
            alike[_joined(one)].append(number)
    near = {(same[0], other) for same in alike.values() for other in same[1:]}
    for one, other, a, b in _one_word_apart(first):
        pair = (min(first[one], first[other]), max(first[one], first[other]))
        if _is_slip(a, b, *sorted((counts[pair[0]], counts[pair[1]]))):
            near.add(pair)
    return [(names[a], names[b]) for a, b in sorted(near)]


def _words(name: str) -> Words:
    """What a name consists of, without case, spaces and punctuation."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    spaced = (" " if unicodedata.category(c)[0] in "ZPC" else c for c in folded)
    return tuple("".join(spaced).split())


def _joined(words: Words) -> str:
    joined = words[0]
    for word in words[1:]:
        joined += "." * (joined[-1].isdigit() and word[0].isdigit()) + word
    return joined


def _one_word_apart(names: Iterable[Words]) -> Iterator[tuple[Words, Words, str, str]]:
    """Pairs of names that differ in one word, and these words, which one letter may tell apart."""
    around: dict[tuple[Words, Words], dict[str, Words]] = defaultdict(dict)
    for words in names:
        for i, word in enumerate(words):
            if SHORTEST <= len(word) <= LONGEST:
                around[words[:i], words[i + 1 :]][word] = words
    for found in around.values():
        if len(found) > 1:
            for a, b in _one_deletion_apart(found):
                yield found[a], found[b], a, b


def _one_deletion_apart(words: Iterable[str]) -> set[tuple[str, str]]:
    """Pairs that are equal once a letter is taken out of one or both of them.

    They are found by what remains, so that not every word is compared with every other.
    """
    remains: dict[str, set[str]] = defaultdict(set)
    for word in words:
        remains[word].add(word)
        for at, letter in enumerate(word):
            if _is_letter(letter):
                remains[word[:at] + word[at + 1 :]].add(word)
    return {pair for some in remains.values() for pair in combinations(sorted(some), 2)}


def _is_slip(a: str, b: str, few: int, many: int) -> bool:
    """Whether two words differ in a way that is rather a slip of the hand than another name."""
    shorter = min(len(a), len(b))
    start = 0
    while start < shorter and a[start] == b[start]:
        start += 1
    ends = 0
    while ends < shorter - start and a[-1 - ends] == b[-1 - ends]:
        ends += 1
    left, right = a[start : len(a) - ends], b[start : len(b) - ends]
    if not all(map(_is_letter, left + right)):
        return False
    if sorted((len(left), len(right))) == [0, 1]:
        return True
    if len(left) == len(right) == 2:
        return left == right[::-1]
    return len(left) == len(right) == 1 and few <= RARE and many >= TIMES * few


def _is_letter(character: str) -> bool:
    wide = unicodedata.east_asian_width(character) in "WF"
    return unicodedata.category(character)[0] in "LM" and not wide
