"""Which jobs call paid models, how much they are expected to take, and what tokens cost; pure.

Tokens of a job are reserved by the length of its media, as nobody knows what is said before it is transcribed: eight
a second. English is spoken at 150 to 190 words a minute, which are 3.3 to 4.2 tokens a second; languages that
tokenizers split more finely come to twice that. When the job is over its real tokens count and the reservation is gone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from cuepoint.config import Settings
from cuepoint.processes.metering import Use

TOKENS_PER_SECOND = 8.0
MICROS = 1_000_000  # of a currency's unit; prices are for as many tokens, so tokens times a price are micros


@dataclass(frozen=True)
class Price:
    """Of a million tokens that are sent, and of a million that come back."""

    tokens_in: float
    tokens_out: float

    def micros(self, use: Use) -> int:
        """What the use costs, in millionths, never less than it is."""
        return math.ceil(use.tokens_in * self.tokens_in + use.tokens_out * self.tokens_out)


@dataclass(frozen=True)
class Metering:
    """What this installation pays for: the model of each kind of job that calls one, and prices by model."""

    models: Mapping[str, str] = field(default_factory=dict)
    prices: Mapping[str, Price] = field(default_factory=dict)

    def price_of(self, model: str) -> Price | None:
        """By the longest name that the model's begins with, as servers answer with dated names; None: not known."""
        names = [name for name in self.prices if model.startswith(name)]
        return self.prices[max(names, key=len)] if names else None

    def demand(self, kind: str, media_ms: int) -> Use:
        """What jobs of this kind are expected to take for that much media."""
        return Use(self.models[kind], math.ceil(media_ms / 1000 * TOKENS_PER_SECOND))


_NOTHING_PAID = Metering()


def metering_of(session: AsyncSession) -> Metering:
    """What the session's process pays for."""
    found = session.info.get(Metering, _NOTHING_PAID)
    assert isinstance(found, Metering)
    return found


def metering(settings: Settings) -> dict[Any, Any]:
    """What sessions carry along so that tokens and their cost are known."""
    models = {"EMBEDDING": settings.embedding_model} if settings.embeds_by_provider else {}
    return {Metering: Metering(models, parse_prices(settings.model_prices))}


def parse_prices(prices: tuple[str, ...]) -> dict[str, Price]:
    """`model=in` or `model=in/out`, as the settings have checked them."""
    found = {}
    for one in prices:
        model, _, price = one.rpartition("=")
        sent, _, received = price.partition("/")
        found[model] = Price(float(sent), float(received or 0))
    return found
