"""Authentication that knows no framework: what a request carries, who sends it, and what a refusal looks like.

An adapter (`backstay.web.fastapi`, …) is what an application imports; what it builds on is here.
"""

from .answers import Answer, json_answer, problem
from .authenticator import (
    AccessTokens,
    Authenticator,
    Principal,
    TokenUser,
    UserLoader,
    current_authenticator,
    user_of_token,
)
from .calls import Call
from .challenges import Challenges
from .csrf import check_forgery, check_origin
from .endpoints import Endpoints
from .extraction import SUBPROTOCOL, Carrier, CookieNames, Credential, Transport, extract
from .possession import ProofOfPossession
from .problems import answer_to
from .sign_in import Account, Accounts, sign_in
from .table import Endpoint

__all__ = [
    "SUBPROTOCOL",
    "AccessTokens",
    "Account",
    "Accounts",
    "Answer",
    "Authenticator",
    "Call",
    "Carrier",
    "Challenges",
    "CookieNames",
    "Credential",
    "Endpoint",
    "Endpoints",
    "Principal",
    "ProofOfPossession",
    "TokenUser",
    "Transport",
    "UserLoader",
    "answer_to",
    "check_forgery",
    "check_origin",
    "current_authenticator",
    "extract",
    "json_answer",
    "problem",
    "sign_in",
    "user_of_token",
]
