"""The cache on Redis: `RedisCache`, over a connection of its own or over a client that is given.

``backend`` speaks the cache's Protocols; ``names``, ``scripts`` and the ``.lua`` files are what it says; ``reader``
batches what is looked at and passes on what is heard. Below stands a ``port``: either ``plain`` (a client of
redis-py's) or ``link``, which keeps one ``wire`` up that ``dial`` connects.
"""

from .backend import DEFAULT_BUDGET as DEFAULT_BUDGET
from .backend import RedisCache as RedisCache
