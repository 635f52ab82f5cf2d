"""Which embedder the settings ask for."""

from __future__ import annotations

from cuepoint.adapters.embedding.base import Embedder
from cuepoint.adapters.embedding.openai import OpenAIEmbedder
from cuepoint.adapters.embedding.static import StaticEmbedder
from cuepoint.adapters.openai_client import OpenAIClient
from cuepoint.config import Settings


def build_embedder(settings: Settings) -> Embedder:
    """OpenAI or the compatible server if a key or a base URL is set, else the bundled static vectors."""
    key = settings.openai_api_key.get_secret_value() if settings.openai_api_key else None
    if key is None and settings.openai_base_url is None:
        return StaticEmbedder()
    client = OpenAIClient(
        api_key=key, base_url=settings.openai_base_url, timeout_seconds=settings.provider_timeout_seconds
    )
    return OpenAIEmbedder(client, settings.embedding_model)
