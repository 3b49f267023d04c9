"""Values under keys, computed once, never staler than the last invalidation.

Start with `get_cached_or_compute` and `cache_key`. Backends, the codec that pickles and the cipher live in
modules of their own (`backstay.cache.redis`, `.memory`, `.signed`, `.aead`), which import what they need.
"""

from .cache import Cache
from .cached import cached
from .calls import (
    current_cache,
    get_cached_or_compute,
    invalidate,
    invalidate_namespace,
    invalidate_pattern,
    invalidate_tags,
)
from .codecs import Bytes, Codec, Json, MessagePack, Model, Text
from .compression import Compressor, Zlib
from .far import Patience
from .freshness import Defaults
from .keys import ANY, KeyPart, ParsedKey, cache_key, key_pattern, namespace_of, parse_key
from .locks import Lease
from .memory import MemoryCache
from .protocol import Acquired, Busy, CacheBackend, Granted, Held, Hit, LockBackend, Reading
from .request import Compute
from .results import MISSING, Entry, Invalidation, Missing
from .sealing import Encryptor
from .stats import CacheStats, Counts
from .transcode import Transcoder
from .warming import WarmItem, WarmReport

__all__ = [
    "ANY",
    "MISSING",
    "Acquired",
    "Busy",
    "Bytes",
    "Cache",
    "CacheBackend",
    "CacheStats",
    "Codec",
    "Compressor",
    "Compute",
    "Counts",
    "Defaults",
    "Encryptor",
    "Entry",
    "Granted",
    "Held",
    "Hit",
    "Invalidation",
    "Json",
    "KeyPart",
    "Lease",
    "LockBackend",
    "MemoryCache",
    "MessagePack",
    "Missing",
    "Model",
    "ParsedKey",
    "Patience",
    "Reading",
    "Text",
    "Transcoder",
    "WarmItem",
    "WarmReport",
    "Zlib",
    "cache_key",
    "cached",
    "current_cache",
    "get_cached_or_compute",
    "invalidate",
    "invalidate_namespace",
    "invalidate_pattern",
    "invalidate_tags",
    "key_pattern",
    "namespace_of",
    "parse_key",
]
