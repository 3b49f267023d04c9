"""The sentences of every problem, by language. One table: a new code is one row in each catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from backstay.errors import ConfigError

LOCALES: Final = ("en", "de", "es", "fr")
"""The languages with a complete catalogue."""

_TEXTS: Final[dict[str, dict[str, tuple[str, str]]]] = {
    "en": {
        "empty": ("The password is empty", "Choose a password."),
        "too_short": (
            "The password must have at least {minimum} characters",
            "Add a few words that have nothing to do with each other.",
        ),
        "too_long": ("The password must have at most {maximum} characters", "Shorten it."),
        "no_upper": ("The password must contain an uppercase letter", "Add a capital somewhere inside."),
        "no_lower": ("The password must contain a lowercase letter", "Add a small letter."),
        "no_digit": ("The password must contain a digit", "Add a digit somewhere inside."),
        "no_special": ("The password must contain a special character", "Add a sign or a space."),
        "common": (
            "The password is a common password, or one with small changes",
            "Swapped letters and added digits are tried first. Choose unrelated words.",
        ),
        "guessable": (
            "The password is too easy to guess",
            "Use more unrelated words, or let a password manager make one.",
        ),
        "user_info": (
            "The password contains personal information or a word of this service",
            "Leave out names, addresses and what this service is called.",
        ),
        "breached": (
            "The password appears in a known data breach",
            "Never use it again, and change it wherever you did.",
        ),
        "breach_unknown": (
            "The password could not be compared with known data breaches",
            "Try again in a moment.",
        ),
        "reused": ("The password was used before", "Choose one you did not use here before."),
        "too_similar": ("The password is too similar to the current one", "Choose an entirely new one."),
        "unusable": ("The password contains characters that cannot be stored", "Type it again."),
    },
    "de": {
        "empty": ("Das Passwort ist leer", "Wählen Sie ein Passwort."),
        "too_short": (
            "Das Passwort muss mindestens {minimum} Zeichen haben",
            "Fügen Sie einige Wörter an, die nichts miteinander zu tun haben.",
        ),
        "too_long": ("Das Passwort darf höchstens {maximum} Zeichen haben", "Kürzen Sie es."),
        "no_upper": ("Das Passwort muss einen Großbuchstaben enthalten", "Setzen Sie einen in die Mitte."),
        "no_lower": ("Das Passwort muss einen Kleinbuchstaben enthalten", "Fügen Sie einen hinzu."),
        "no_digit": ("Das Passwort muss eine Ziffer enthalten", "Setzen Sie eine in die Mitte."),
        "no_special": ("Das Passwort muss ein Sonderzeichen enthalten", "Fügen Sie ein Zeichen ein."),
        "common": (
            "Das Passwort ist ein häufiges Passwort oder eine kleine Abwandlung davon",
            "Vertauschte Buchstaben und angehängte Ziffern werden zuerst probiert. Wählen Sie andere Wörter.",
        ),
        "guessable": (
            "Das Passwort ist zu leicht zu erraten",
            "Nehmen Sie mehr Wörter ohne Zusammenhang, oder lassen Sie eines erzeugen.",
        ),
        "user_info": (
            "Das Passwort enthält persönliche Angaben oder ein Wort dieses Dienstes",
            "Lassen Sie Namen, Adressen und den Namen dieses Dienstes weg.",
        ),
        "breached": (
            "Das Passwort kommt in einem bekannten Datenleck vor",
            "Benutzen Sie es nie wieder, und ändern Sie es überall, wo Sie es benutzt haben.",
        ),
        "breach_unknown": (
            "Das Passwort konnte nicht mit bekannten Datenlecks verglichen werden",
            "Versuchen Sie es gleich noch einmal.",
        ),
        "reused": ("Das Passwort wurde schon einmal benutzt", "Wählen Sie hier ein neues."),
        "too_similar": ("Das Passwort ist dem jetzigen zu ähnlich", "Wählen Sie ein ganz anderes."),
        "unusable": ("Das Passwort enthält nicht speicherbare Zeichen", "Geben Sie es noch einmal ein."),
    },
    "es": {
        "empty": ("La contraseña está vacía", "Elija una contraseña."),
        "too_short": (
            "La contraseña debe tener al menos {minimum} caracteres",
            "Añada algunas palabras sin relación entre sí.",
        ),
        "too_long": ("La contraseña debe tener como máximo {maximum} caracteres", "Acórtela."),
        "no_upper": ("La contraseña debe contener una mayúscula", "Ponga una en el interior."),
        "no_lower": ("La contraseña debe contener una minúscula", "Añada una."),
        "no_digit": ("La contraseña debe contener un dígito", "Ponga uno en el interior."),
        "no_special": ("La contraseña debe contener un carácter especial", "Añada un signo o un espacio."),
        "common": (
            "La contraseña es común, o una común con pequeños cambios",
            "Las letras cambiadas y los números añadidos se prueban primero. Elija otras palabras.",
        ),
        "guessable": (
            "La contraseña es demasiado fácil de adivinar",
            "Use más palabras sin relación, o deje que un gestor genere una.",
        ),
        "user_info": (
            "La contraseña contiene datos personales o una palabra de este servicio",
            "No use nombres, direcciones ni el nombre de este servicio.",
        ),
        "breached": (
            "La contraseña aparece en una filtración de datos conocida",
            "No vuelva a usarla y cámbiela donde la haya usado.",
        ),
        "breach_unknown": (
            "No se pudo comparar la contraseña con las filtraciones conocidas",
            "Inténtelo de nuevo en un momento.",
        ),
        "reused": ("La contraseña ya se usó antes", "Elija una que no haya usado aquí."),
        "too_similar": ("La contraseña se parece demasiado a la actual", "Elija una totalmente nueva."),
        "unusable": ("La contraseña contiene caracteres que no se pueden guardar", "Escríbala de nuevo."),
    },
    "fr": {
        "empty": ("Le mot de passe est vide", "Choisissez un mot de passe."),
        "too_short": (
            "Le mot de passe doit compter au moins {minimum} caractères",
            "Ajoutez quelques mots sans rapport entre eux.",
        ),
        "too_long": ("Le mot de passe doit compter au plus {maximum} caractères", "Raccourcissez-le."),
        "no_upper": ("Le mot de passe doit contenir une majuscule", "Placez-en une à l’intérieur."),
        "no_lower": ("Le mot de passe doit contenir une minuscule", "Ajoutez-en une."),
        "no_digit": ("Le mot de passe doit contenir un chiffre", "Placez-en un à l’intérieur."),
        "no_special": (
            "Le mot de passe doit contenir un caractère spécial",
            "Ajoutez un signe ou une espace.",
        ),
        "common": (
            "Le mot de passe est courant, ou à peine modifié",
            "Lettres échangées et chiffres ajoutés sont essayés d’abord. Choisissez d’autres mots.",
        ),
        "guessable": (
            "Le mot de passe est trop facile à deviner",
            "Prenez plus de mots sans rapport, ou laissez un gestionnaire en créer un.",
        ),
        "user_info": (
            "Le mot de passe contient des données personnelles ou un mot de ce service",
            "Évitez les noms, les adresses et le nom de ce service.",
        ),
        "breached": (
            "Le mot de passe figure dans une fuite de données connue",
            "Ne l’utilisez plus, et changez-le partout où il a servi.",
        ),
        "breach_unknown": (
            "Le mot de passe n’a pas pu être comparé aux fuites connues",
            "Réessayez dans un instant.",
        ),
        "reused": ("Le mot de passe a déjà servi", "Choisissez-en un qui n’a pas servi ici."),
        "too_similar": ("Le mot de passe ressemble trop à l’actuel", "Choisissez-en un tout autre."),
        "unusable": (
            "Le mot de passe contient des caractères impossibles à garder",
            "Saisissez-le à nouveau.",
        ),
    },
}

CODES: Final = tuple(_TEXTS["en"])
"""Every code that a problem may have."""


def _catalogue(locale: str) -> Mapping[str, tuple[str, str]]:
    # "de-AT" and "de_AT" fall back to "de", and anything unknown to English.
    return _TEXTS.get(locale.replace("_", "-").split("-")[0].lower(), _TEXTS["en"])


def text_for(code: str, params: Mapping[str, int], locale: str) -> str:
    """The sentence for a code, with its numbers filled in.

    Raises:
        ConfigError: a code that is in no catalogue.
    """
    found = _catalogue(locale).get(code)
    if found is None:
        raise ConfigError(f"{code!r} is none of the known codes of problems: give it a text of its own")
    return found[0].format(**params)


def suggestion_for(code: str, locale: str) -> str:
    """What a user can do about it."""
    return _catalogue(locale)[code][1]
