"""Prices by the beginning of a model's name, and what the settings say of them."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from cuepoint.config import Settings
from cuepoint.features.quotas.metering import Metering, Price, metering, parse_prices
from cuepoint.processes.metering import Use


class TestPrices:
    def test_are_read_from_the_settings(self, settings: Settings) -> None:
        priced = settings.model_copy(
            update={"model_prices": ("a=0.02", "b/c=0.25/2"), "openai_base_url": "http://localhost:1234/v1"}
        )

        found = metering(priced)[Metering]

        assert found.prices == {"a": Price(0.02, 0), "b/c": Price(0.25, 2)}
        assert found.models == {"EMBEDDING": settings.embedding_model}

    def test_local_vectors_are_no_paid_model(self, settings: Settings) -> None:
        assert metering(settings)[Metering].models == {}

    @pytest.mark.parametrize("price", ["a", "a=", "a=x", "=1", "a=1/", "a=-1", "a=1e3"])
    def test_nonsense_is_refused_at_the_start(self, price: str) -> None:
        with pytest.raises(ValidationError, match="prices look like"):
            Settings(model_prices=price)

    def test_the_longest_name_that_fits_counts(self) -> None:
        found = Metering({}, parse_prices(("gpt-5=1", "gpt-5-mini=0.25/2")))

        assert found.price_of("gpt-5-mini-2026-01-01") == Price(0.25, 2)
        assert found.price_of("gpt-5-2026-01-01") == Price(1, 0)
        assert found.price_of("other") is None

    def test_a_cost_is_never_rounded_down(self) -> None:
        assert Price(0.02, 0).micros(Use("a", 1)) == 1
        assert Price(0.25, 2).micros(Use("a", 1_000_000, 1_000_000)) == 2_250_000
