"""`Adapters`: the ports as one frozen value, built once per process from the settings."""

from __future__ import annotations

from dataclasses import dataclass

from cuepoint.adapters.asr.base import Transcriber
from cuepoint.adapters.asr.whisper import WhisperTranscriber
from cuepoint.adapters.embedding.base import Embedder
from cuepoint.adapters.embedding.choose import build_embedder
from cuepoint.adapters.fetch.base import Fetcher, Sites
from cuepoint.adapters.fetch.choose import build_fetcher
from cuepoint.adapters.fetch.sites import YtDlpSites
from cuepoint.adapters.live.base import Live
from cuepoint.adapters.live.redis import RedisLive
from cuepoint.adapters.media.base import MediaTools
from cuepoint.adapters.media.base_looks import LookTools
from cuepoint.adapters.media.look_tools import ChildLookTools
from cuepoint.adapters.media.tools import ChildMediaTools
from cuepoint.adapters.storage.base import Storage
from cuepoint.adapters.storage.choose import build_storage
from cuepoint.adapters.storage.signed_urls import UrlSigner
from cuepoint.config import Settings


@dataclass(frozen=True)
class Adapters:
    """What the features may use of the outside world."""

    storage: Storage
    live: Live
    embedder: Embedder
    media: MediaTools
    looks: LookTools
    transcriber: Transcriber
    signer: UrlSigner
    fetcher: Fetcher
    sites: Sites

    async def close(self) -> None:
        """Release what the ports hold."""
        await self.transcriber.close()
        await self.embedder.close()
        await self.live.close()
        await self.storage.close()


def build_adapters(settings: Settings) -> Adapters:
    """The ports that these settings ask for. Nothing heavy is imported or loaded before its first use."""
    return Adapters(
        storage=build_storage(settings),
        live=RedisLive(settings.redis_url.get_secret_value() if settings.redis_url else None),
        embedder=build_embedder(settings),
        media=ChildMediaTools(settings),
        looks=ChildLookTools(settings),
        transcriber=WhisperTranscriber(settings),
        signer=UrlSigner(settings.signing_key(), settings.former_signing_keys()),
        fetcher=build_fetcher(settings),
        sites=YtDlpSites(settings),
    )
