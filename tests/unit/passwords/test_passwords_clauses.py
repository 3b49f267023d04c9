"""The presets against the clauses of NIST SP 800-63B-4 and OWASP ASVS 5.0: one test a clause, named by its id.

The clauses on hashing, throttling and secrecy are tested beside the code they speak of, under names of that form.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from pathlib import Path

import pytest

from backstay.passwords import (
    CODES,
    LOCALES,
    About,
    BreachOutcome,
    History,
    PasswordHasher,
    PasswordProblem,
    Rules,
    StandardPolicy,
    generate_passphrase,
    generate_password,
)
from backstay.passwords.rules import Contains
from backstay.passwords.strength.lexicon import english
from backstay.secret import Secret

ROOT = Path(__file__).parents[3]
GUESS_BASED = {
    "nist": Rules.nist(mfa=False),
    "nist with mfa": Rules.nist(mfa=True),
    "asvs 1": Rules.asvs(1),
    "asvs 2": Rules.asvs(2),
    "asvs 3": Rules.asvs(3),
}
EVERY = pytest.mark.parametrize("rules", GUESS_BASED.values(), ids=GUESS_BASED.keys())
RANDOM = "vKq7mZr2Lp9w4TxHbN6c"
LONG = "plover cranberry hinge saxophone "


class Known:
    """A breach source that knows a few passwords, and whether it answers at all."""

    def __init__(self, *passwords, answers=True):
        self.hashes = {hashlib.sha1(each.encode()).hexdigest() for each in passwords}
        self.answers = answers

    async def look_up(self, password, /):
        if not self.answers:
            return BreachOutcome(state="unknown")
        digest = hashlib.sha1(password.reveal().encode()).hexdigest()
        return BreachOutcome(state="breached", count=7) if digest in self.hashes else BreachOutcome(state="clear")


# ---- NIST SP 800-63B-4, 3.1.1.2


@pytest.mark.parametrize(("mfa", "minimum"), [(False, 15), (True, 8)])
def test_nist_3_1_1_2_length_is_15_alone_and_8_with_another_factor(mfa, minimum):
    rules = Rules.nist(mfa=mfa)
    assert "too_short" in rules.check(RANDOM[: minimum - 1]).codes
    assert rules.check(RANDOM[:minimum])


@EVERY
@pytest.mark.parametrize("length", [64, 65, 128, 1024])
def test_nist_3_1_1_2_and_asvs_6_2_9_at_least_64_characters_are_allowed(rules, length):
    assert rules.check((LONG * 40)[:length])


@EVERY
def test_nist_3_1_1_2_a_password_that_is_too_long_is_refused_and_never_cut(rules):
    assert rules.check((LONG * 40)[:1025]).codes == ("too_long",)


@EVERY
def test_nist_3_1_1_2_and_asvs_6_2_5_every_character_is_allowed(rules):
    printable = "".join(map(chr, range(0x20, 0x7F)))
    for start in range(0, len(printable), 5):
        part = printable[start : start + 5]
        assert rules.check(f"plover{part}cranberry{part}hinge"), part
    for foreign in ("плащ осёл вечер гранит", "馬正確電池釘書針紫色山羊雨傘燈塔", "🦉🌵🚲🧲🪗🛶🧊🪁🎷🥝🐙🪴🧵🪤🦔"):
        assert rules.check(foreign), foreign


def test_nist_3_1_1_2_code_points_are_counted_after_normalisation():
    rules = Rules.nist(mfa=False)
    composed = "éàüöñçéàüöñçéà"
    decomposed = unicodedata.normalize("NFD", composed)
    assert (len(composed), len(decomposed)) == (14, 28)
    assert "too_short" in rules.check(decomposed).codes
    assert "too_short" not in rules.check("🦉" * 15).codes
    assert "too_short" in rules.check("🦉" * 14).codes


@EVERY
def test_nist_3_1_1_2_and_asvs_6_2_5_no_composition_is_asked_for(rules):
    assert not [rule for rule in rules.rules if isinstance(rule, Contains)]
    only = ("ploverhingecranberrysaxophone", "83917465029384756102", "QXZVJWKPLMTRBNHG", "^*)%!&@#$(*%^&!)~")
    for one_class in only:
        assert not [code for code in rules.check(one_class).codes if code.startswith("no_")]
    assert rules.check("ploverhingecranberrysaxophone")


@pytest.mark.asyncio
async def test_nist_3_1_1_2_and_asvs_6_2_10_a_change_is_demanded_on_evidence_only():
    policy = StandardPolicy(Rules.nist(mfa=False), breach=Known("leaked"))
    assert await policy.must_change("leaked")
    assert not await policy.must_change("another")
    assert not await StandardPolicy(breach=Known("leaked", answers=False)).must_change("leaked")
    assert not await StandardPolicy().must_change("leaked")
    assert "Never expires" in policy.describe()


@EVERY
def test_nist_3_1_1_2_commonly_used_and_expected_passwords_are_refused(rules):
    about = About(username="zorblaxian", email="qwimby@example.org", context=("vantablick",))
    common = ["password", "Password123!", "qwertyuiop123456", "passwordpassword"]
    own = ["zorblaxian", "zorblaxian2024", "qwimbyqwimby", "vantablick", "Vantablick-2024"]
    for expected in common + own:
        assert not rules.check(expected, about), expected


@pytest.mark.asyncio
@EVERY
async def test_nist_3_1_1_2_and_asvs_6_2_12_compromised_passwords_are_refused(rules):
    leaked = generate_passphrase(words=6).secret.reveal()
    verdict = await StandardPolicy(rules, breach=Known(leaked)).check(leaked, About())
    assert verdict.codes == ("breached",)
    assert verdict[1][0].params["count"] == 7
    assert await StandardPolicy(rules, breach=Known()).check(leaked, About())


def test_nist_3_1_1_2_a_refusal_has_its_reason_and_guidance_in_every_language():
    for code in CODES:
        for locale in LOCALES:
            problem = PasswordProblem(code, {"minimum": 8, "maximum": 9, "count": 1}, locale=locale)
            assert len(problem) > 10
            assert len(problem.suggested(locale)) > 5
            assert "{" not in problem


@pytest.mark.asyncio
async def test_nist_3_1_1_2_hashes_are_salted_memory_hard_and_may_have_a_key():
    async with PasswordHasher(peppers={"a": Secret("k" * 32)}, current_pepper="a") as hasher:
        one, other = await hasher.hash("correct horse"), await hasher.hash("correct horse")
    salts = [stored.split("$")[-2] for stored in (one, other)]
    assert salts[0] != salts[1]
    assert len(salts[0]) * 6 >= 128
    assert "$argon2id$" in one
    assert one.startswith("$backstay$k=a")


# ---- OWASP ASVS 5.0, chapter 6


@pytest.mark.parametrize("level", [1, 2, 3])
def test_asvs_6_2_1_length_is_8_and_can_be_15(level):
    assert "too_short" in Rules.asvs(level).check(RANDOM[:7]).codes
    assert Rules.asvs(level).check(RANDOM[:8])
    assert Rules.asvs(level, minimum=15).check(RANDOM[:14]).codes == ("too_short",)
    assert "too_short" in Rules.asvs(level, minimum=4).check(RANDOM[:7]).codes


def test_asvs_6_2_4_the_3000_commonest_passwords_that_fit_the_policy_are_refused():
    rules = Rules.asvs(1)
    assert {Rules.asvs(level).rules for level in (2, 3)} == {rules.rules}
    fitting = [word for word, _ in sorted(english().items(), key=lambda item: item[1]) if len(word) >= 8][:3000]
    assert len(fitting) == 3000
    assert [word for word in fitting if rules.check(word)] == []


@pytest.mark.parametrize("level", [2, 3])
def test_asvs_6_1_2_and_6_2_11_words_of_the_service_are_documented_and_refused(level):
    rules = Rules.asvs(level, context=["vantablick", "glimmerfax"])
    for password in (
        "vantablick1",
        "V@nt@blick!",
        "kcilbatnav",
        "Glimmerfax2026",
        "glimmerfax-vantablick",
        "g1immerf4x",
    ):
        assert not rules.check(password), password
    assert "vantablick" in rules.describe()


def test_asvs_6_2_6_and_6_2_7_the_field_is_masked_and_lets_managers_work():
    attributes = Rules.asvs(2).html_attributes()
    assert attributes["type"] == "password"
    assert attributes["autocomplete"] == "new-password"
    assert "onpaste" not in attributes
    assert attributes["passwordrules"] == "minlength: 8; maxlength: 128; allowed: ascii-printable;"
    assert "required: upper" in Rules.classic().passwordrules()


@EVERY
def test_asvs_6_4_1_generated_passwords_fit_the_policy(rules):
    for _ in range(100):
        assert rules.check(generate_password().secret.reveal())
        assert rules.check(generate_passphrase(words=5).secret.reveal())


# ---- what is asked at a change


@pytest.mark.parametrize(
    ("new", "codes"),
    [
        ("plover-Cranberry-gazebo-26", ("too_similar",)),
        ("PLOVER-cranberry-gazebo-24", ("too_similar",)),
        ("pl0ver-cr@nberry-gazebo-25", ("too_similar",)),
        ("xplover-cranberry-gazebo-24", ("too_similar",)),
        ("obezag-yrrebnarc-revolp", ("too_similar",)),
        ("granite owl bassoon lantern", ()),
    ],
)
@pytest.mark.asyncio
async def test_asvs_6_2_3_a_change_names_the_current_password_and_is_no_small_one(new, codes):
    policy = StandardPolicy(Rules.strong())
    about = About(current=Secret("plover-cranberry-gazebo-24"))
    assert (await policy.check(new, about)).codes == codes


@pytest.mark.asyncio
async def test_the_last_passwords_are_not_used_again_and_no_more_than_the_last():
    async with PasswordHasher() as hasher:
        old = [generate_passphrase(words=5).secret.reveal() for _ in range(4)]
        hashes = tuple([await hasher.hash(each) for each in old])
        policy = StandardPolicy(Rules.strong(), history=History(hasher=hasher, last=3))
        about = About(history=hashes)
        verdicts = [(await policy.check(each, about)).codes for each in old]
        assert verdicts == [("reused",)] * 3 + [()]
        assert (await policy.check(unicodedata.normalize("NFD", old[0]), about)).codes == ("reused",)
        assert await policy.check(old[0], About())
        assert await StandardPolicy(Rules.strong()).check(old[0], about)
        assert "none of the last 3" in policy.describe()


@pytest.mark.asyncio
@pytest.mark.parametrize(("when", "valid"), [("open", True), ("closed", False)])
async def test_not_knowing_is_a_warning_or_a_refusal_as_the_policy_says(when, valid):
    password = generate_passphrase(words=6).secret.reveal()
    policy = StandardPolicy(Rules.strong(), breach=Known(answers=False), when_unknown=when)
    verdict = await policy.check(password, About())
    assert verdict.is_valid is valid
    assert [problem.code for problem in (*verdict.warnings, *verdict.errors)] == ["breach_unknown"]
    offline = StandardPolicy(
        Rules.strong(), breach=Known(answers=False), offline=Known(password), when_unknown=when
    )
    assert (await offline.check(password, About())).codes == ("breached",)


# ---- the table in the reference


def test_every_test_that_the_table_of_clauses_names_exists():
    page = (ROOT / "docs/reference/passwords.md").read_text("utf-8")
    named = set(re.findall(r"`(test_\w+)`", page))
    defined = {
        name
        for path in (ROOT / "tests").rglob("test_passwords_*.py")
        for name in re.findall(r"def (test_\w+)", path.read_text("utf-8"))
    }
    assert len(named) > 15
    assert named - defined == set()
