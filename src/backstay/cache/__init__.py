"""Values under keys, computed once, never staler than the last invalidation.

Start with `get_cached_or_compute` and `cache_key`. Backends, the codec that pickles and the cipher live in
modules of their own (`backstay.cache.redis`, `.memory`, `.signed`, `.aead`), which import what they need.
"""

from .advice import Advice
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
from .computation import Computation, computation
from .far import Patience
from .freshness import Defaults
from .keys import ANY, KeyPart, ParsedKey, cache_key, key_pattern, namespace_of, parse_key
from .locks import Lease
from .memory import MemoryCache
from .near import Local
from .protocol import (
    Acquired,
    Attentive,
    Audience,
    Busy,
    CacheBackend,
    Claim,
    Granted,
    Held,
    Hit,
    LockBackend,
    Prompt,
    Reading,
    Trust,
)
from .request import Compute, Options
from .results import MISSING, Entry, Invalidation, Missing
from .sealing import Encryptor
from .stats import CacheStats, Counts
from .transcode import Transcoder
from .warming import WarmItem, WarmReport

__all__ = [
    "ANY",
    "MISSING",
    "Acquired",
    "Advice",
    "Attentive",
    "Audience",
    "Busy",
    "Bytes",
    "Cache",
    "CacheBackend",
    "CacheStats",
    "Claim",
    "Codec",
    "Compressor",
    "Computation",
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
    "Local",
    "LockBackend",
    "MemoryCache",
    "MessagePack",
    "Missing",
    "Model",
    "Options",
    "ParsedKey",
    "Patience",
    "Prompt",
    "Reading",
    "Text",
    "Transcoder",
    "Trust",
    "WarmItem",
    "WarmReport",
    "Zlib",
    "cache_key",
    "cached",
    "computation",
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
