"""What single sentences say about themselves: content words, emphasis and questions; English lists, without I/O.

Emphasis counts what a speaker does to make a sentence stand out. Each cue has a weight, and the weights of the cues of
a sentence are combined as independent evidence (1 - product of 1 - weight):

- a phrase that announces importance ("the most important part", "the key is", "remember"): 0.9
- an exclamation mark: 0.6
- a superlative ("best", "worst", "biggest", "most beautiful"): 0.4
- a strong word ("amazing", "terrible", "destroyed", "secret"): 0.4
- a number, in digits or as a word, of ten or more or with a unit that counts ("three goals", "80 percent"): 0.2

Such surface cues are those of Edmundson, "New Methods in Automatic Extracting" (1969): cue words, and the position of
what they announce. Limits: in other languages than English only punctuation and digits count, and irony is lost.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_STOP_WORDS = """
a about above after again all also am an and any are as at away back be because been before being below between both
but by can could did do does doing done down during each either else even every few for from further get gets getting
go goes going gonna got had has have having he her here hers herself him himself his how i if in into is it its itself
just kind know let like lot made make makes many may maybe me might more most much must my myself no nor not now of off
oh okay on once one only or other our ours ourselves out over own put quite really right said same say says see shall
she should so some something sort still such take than that the their theirs them themselves then there these they
thing things this those through to too under until up upon us very want was way we well were what when where which while
who whom whose why will with would yeah yes yet you your yours yourself yourselves
"""
STOP_WORDS = frozenset(_STOP_WORDS.split())
_TOKEN = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_SUFFIXES = ("ings", "ing", "edly", "ed", "ies", "es", "s", "ly")

_ANNOUNCEMENT = re.compile(
    r"\b(?:(?:most|very|really|extremely) (?:important|crucial|interesting)|important(?:ly| (?:part|thing|point|is))"
    r"|the (?:key|point|secret|trick|truth|lesson|problem|best part|big question) (?:is|here|to)"
    r"|(?:remember|notice)(?=[,:]| that\b| this\b)|don['’]t forget|never forget"
    r"|pay attention|listen carefully|keep in mind|what matters|bottom line|in (?:short|conclusion|summary)"
    r"|here(?:['’]s| is) (?:why|how|the (?:thing|key|secret|trick|story))|you won['’]t believe|guess what"
    r"|above all|first of all|the takeaway)\b",
    re.IGNORECASE,
)
_SUPERLATIVE = re.compile(
    r"\b(?:best|worst|least|first ever|greatest|biggest|largest|smallest|fastest|highest|lowest|strongest|hardest"
    r"|easiest|oldest|youngest|newest|happiest|saddest|funniest|richest|poorest|longest|shortest"
    r"|most [a-z]{4,})\b",
    re.IGNORECASE,
)
_STRONG = re.compile(
    r"\b(?:amaz\w+|incredibl\w+|unbelievabl\w+|wonderful\w*|fantastic|brilliant\w*|beautiful\w*|terribl\w+|horribl\w+"
    r"|awful\w*|shock\w+|surpris\w+|astonish\w+|stunn\w+|destroy\w+|disast\w+|danger\w*|secret\w*|crazy|insane"
    r"|love[ds]?|hate[ds]?|angry|afraid|proud|perfect\w*|impossible|never|winn?\w*|won|lost|die[ds]?|dead|kill\w*)\b",
    re.IGNORECASE,
)
_NUMBER = re.compile(
    r"\d|\b(?:ten|eleven|twelve|\w+teen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundreds?|thousands?"
    r"|millions?|billions?|percent|(?:two|three|four|five|six|seven|eight|nine) \w+s)\b",
    re.IGNORECASE,
)
_CLOSERS = "\"'”’»)]}」』 "
_CUES = ((_ANNOUNCEMENT, 0.9), (re.compile(r"[!！]"), 0.6), (_SUPERLATIVE, 0.4), (_STRONG, 0.4), (_NUMBER, 0.2))


def content_words(text: str) -> list[str]:
    """Stems of the words that carry meaning, in order."""
    words = (match.group().lower().replace("’", "'").split("'")[0] for match in _TOKEN.finditer(text))
    return [_stem(word) for word in words if word not in STOP_WORDS and (len(word) > 1 or not word.isascii())]


def emphasis(text: str) -> float:
    """How much the speaker stresses this sentence, 0 to 1."""
    return _combined(weight for pattern, weight in _CUES if pattern.search(text))


def is_announcement(text: str) -> bool:
    """Whether the sentence says that what follows is important, without being it: short, and a phrase of that kind."""
    return _ANNOUNCEMENT.search(text) is not None and len(content_words(text)) <= 4


def announcing_phrase(text: str) -> str | None:
    """The words of the sentence that announce importance."""
    match = _ANNOUNCEMENT.search(text)
    return None if match is None else match.group()


def is_question(text: str) -> bool:
    """Whether the sentence asks."""
    return text.rstrip(_CLOSERS).endswith(("?", "？", "؟"))


def _combined(weights: Iterable[float]) -> float:
    missed = 1.0
    for weight in weights:
        missed *= 1 - weight
    return 1 - missed


def _stem(word: str) -> str:
    """Crude: enough to see that "seeds" and "seed", "swim" and "swims" are the same subject."""
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= 3:
            return word[: -len(suffix)]
    return word
