"""Makes ``hash_vectors.json``: what other libraries store, written by these libraries themselves.

Not part of the test run, since it wants packages that backstay does not. In an environment of its own::

    pip install django passlib werkzeug "bcrypt<4.1" argon2-cffi pwdlib
    python tests/unit/passwords/make_hash_vectors.py

(passlib does not work with a newer bcrypt.) Costs are low, to keep the test run short; the test of the caps has the
high ones. Every row is a source with its version, a scheme, a password, and what was stored for it.
"""

from __future__ import annotations

import json
import os
import warnings
from importlib.metadata import version
from pathlib import Path

import argon2
import bcrypt
from django.conf import settings
from pwdlib.hashers.argon2 import Argon2Hasher
from pwdlib.hashers.bcrypt import BcryptHasher
from werkzeug.security import generate_password_hash

warnings.simplefilter("ignore")
settings.configure()

from django.contrib.auth import hashers as django  # noqa: E402
from passlib import hash as passlib  # noqa: E402

PASSWORDS = [
    "correct horse",
    "p\u00e4ssw\u00f6rd",
    "pa\u0308sswo\u0308rd",  # the same in NFD: none of these libraries normalises
    "\u5bc6\u7801\U0001f511",
    " lead and trail ",
    "x" * 100,
    "a\tb\"'$%",
]


def low(hasher, **costs):
    return type("Low", (hasher,), costs)()


def of_django(password):
    hashers = [
        ("pbkdf2_sha256", low(django.PBKDF2PasswordHasher, iterations=20_000)),
        ("pbkdf2_sha1", low(django.PBKDF2SHA1PasswordHasher, iterations=20_000)),
        ("argon2", low(django.Argon2PasswordHasher, memory_cost=8192, time_cost=1)),
        ("bcrypt_sha256", low(django.BCryptSHA256PasswordHasher, rounds=4)),
        ("bcrypt", low(django.BCryptPasswordHasher, rounds=4)),
        ("scrypt", low(django.ScryptPasswordHasher, work_factor=2**10)),
        ("md5", django.MD5PasswordHasher()),
    ]
    return [(scheme, hasher.encode(password, hasher.salt())) for scheme, hasher in hashers]


def of_passlib(password):
    argon = {"memory_cost": 512, "rounds": 1}
    hashers = [
        *((name, getattr(passlib, name).using(rounds=1000)) for name in ("pbkdf2_sha1", "pbkdf2_sha256")),
        *((name, getattr(passlib, name).using(rounds=1000)) for name in ("pbkdf2_sha512", "django_pbkdf2_sha256")),
        *((name, getattr(passlib, name).using(rounds=1000)) for name in ("sha256_crypt", "sha512_crypt")),
        ("sha512_crypt 5000", passlib.sha512_crypt.using(rounds=5000)),
        *((f"bcrypt {ident}", passlib.bcrypt.using(rounds=4, ident=ident)) for ident in ("2a", "2b", "2y")),
        *((f"bcrypt_sha256 v{v}", passlib.bcrypt_sha256.using(rounds=4, version=v)) for v in (1, 2)),
        ("scrypt", passlib.scrypt.using(rounds=8)),
        *((f"argon2{kind}", passlib.argon2.using(type=kind, **argon)) for kind in ("ID", "I", "D")),
        ("django_salted_md5", passlib.django_salted_md5),
        ("django_salted_sha1", passlib.django_salted_sha1),
    ]
    return [(scheme, hasher.hash(password)) for scheme, hasher in hashers]


def of_werkzeug(password):
    methods = ["scrypt:1024:8:1", *(f"pbkdf2:{digest}:1000" for digest in ("sha1", "sha256", "sha512"))]
    return [(method, generate_password_hash(password, method=method)) for method in methods]


def of_bcrypt(password):
    # From 5.0 on the library refuses what older ones cut.
    cut = password.encode()[:72]
    return [(kind, bcrypt.hashpw(cut, bcrypt.gensalt(4, kind.encode())).decode()) for kind in ("2a", "2b")]


def of_argon2(password):
    made = [(each.name, argon2.PasswordHasher(1, 1024, 1, type=each).hash(password)) for each in argon2.Type]
    old = argon2.low_level.hash_secret(password.encode(), os.urandom(16), 1, 1024, 1, 32, argon2.Type.ID, 16)
    return [*made, ("ID of version 16", old.decode())]


def of_pwdlib(password):
    argon = Argon2Hasher(time_cost=1, memory_cost=1024, parallelism=1).hash(password)
    return [("argon2", argon), ("bcrypt", BcryptHasher(rounds=4).hash(password.encode()[:72]))]


SOURCES = {
    "django": of_django,
    "passlib": of_passlib,
    "werkzeug": of_werkzeug,
    "bcrypt": of_bcrypt,
    "argon2-cffi": of_argon2,
    "pwdlib": of_pwdlib,
}


def main():
    rows = [
        {"source": f"{name} {version(name)}", "scheme": scheme, "password": password, "stored": stored}
        for name, made_by in SOURCES.items()
        for password in PASSWORDS
        for scheme, stored in made_by(password)
    ]
    text = ",\n".join(json.dumps(row) for row in rows)
    Path(__file__).with_name("hash_vectors.json").write_text(f"[\n{text}\n]\n", encoding="utf-8")
    print(len(rows), "vectors")


if __name__ == "__main__":
    main()
