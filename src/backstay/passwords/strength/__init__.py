"""How guessable a password is. Pure and sync; see `Estimator`."""

from .canonical import fold, skeleton
from .estimate import Estimate, Estimator
from .lexicon import LANGUAGES, Lexicon, load
from .tokens import known_tokens, short_tokens

__all__ = [
    "LANGUAGES",
    "Estimate",
    "Estimator",
    "Lexicon",
    "fold",
    "known_tokens",
    "load",
    "short_tokens",
    "skeleton",
]
