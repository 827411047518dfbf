"""Made-up values of the synthetic source, one function for each label."""

import string
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from random import Random
from types import MappingProxyType
from typing import Any

# Dates are counted from a fixed day: today's would make other data tomorrow.
_LAST_DAY = date(2025, 12, 31)
_DATE_FORMATS = ("%Y-%m-%d", "%d/%m/%Y", "%m/%d/%y", "%B %d, %Y", "%d %B %Y", "%d.%m.%Y", "%b %d")
_BASE58 = "".join(sorted(set(string.ascii_letters + string.digits) - set("0OIl")))
_SYSTEMS = (
    "Windows NT 10.0; Win64; x64",
    "Macintosh; Intel Mac OS X 10_15_7",
    "X11; Linux x86_64",
    "iPhone; CPU iPhone OS 17_2 like Mac OS X",
)

Value = Callable[[Random, Any], str]  # of a seeded Random and a seeded Faker


def _digits(random: Random, count: int) -> str:
    return "".join(random.choices(string.digits, k=count))


def _any_of(*choices: str) -> Value:
    return lambda random, _faker: random.choice(choices)


def _faked(provider: str) -> Value:
    return lambda _random, faker: str(getattr(faker, provider)()).replace("\n", " ")


def _number(count: int) -> Value:
    return lambda random, _faker: _digits(random, count)


def _drawn(alphabet: str, count: int, *, prefixes: tuple[str, ...] = ("",)) -> Value:
    return lambda random, _faker: (
        random.choice(prefixes) + "".join(random.choices(alphabet, k=count))
    )


def _day(random: Random, *, oldest_days: int, youngest_days: int) -> str:
    day = _LAST_DAY - timedelta(days=random.randint(youngest_days, oldest_days))
    return day.strftime(random.choice(_DATE_FORMATS))


def _date(random: Random, _faker: Any) -> str:
    return _day(random, oldest_days=1500, youngest_days=0)


def _birthday(random: Random, _faker: Any) -> str:
    return _day(random, oldest_days=90 * 365, youngest_days=18 * 365)


def _time(random: Random, _faker: Any) -> str:
    hour, minute = random.randrange(24), random.randrange(60)
    half = f"{(hour + 11) % 12 + 1}"
    return random.choice(
        (
            f"{hour:02}:{minute:02}",
            f"{half}:{minute:02} {'AM' if hour < 12 else 'PM'}",  # noqa: PLR2004  noon
            f"{half} {'am' if hour < 12 else 'pm'}",  # noqa: PLR2004  noon
        )
    )


def _phone(random: Random, faker: Any) -> str:
    area, middle, end = _digits(random, 3), _digits(random, 3), _digits(random, 4)
    country = random.randint(1, 99)
    forms = (f"+{country} {area} {middle} {end}", f"({area}) {middle}-{end}", f"0{area} {middle}")
    return random.choice((*forms, str(faker.phone_number())))


def _imei(random: Random, _faker: Any) -> str:
    parts = [_digits(random, 2), _digits(random, 6), _digits(random, 6), _digits(random, 1)]
    return random.choice(("-", "")).join(parts)


def _card(random: Random, faker: Any) -> str:
    number = str(faker.credit_card_number())
    blocks = [number[start : start + 4] for start in range(0, len(number), 4)]
    return random.choice(("", " ", "-")).join(blocks)


def _amount(random: Random, _faker: Any) -> str:
    cents = f"{random.randrange(100):02}"
    whole = random.randint(1, 999)
    forms = (f"{whole}.{cents}", f"{whole},{_digits(random, 3)}.{cents}", f"{whole}k", f"{whole}")
    return random.choice(forms)


def _username(random: Random, faker: Any) -> str:
    first, last = str(faker.first_name()), str(faker.last_name())
    number = str(random.randrange(100))
    forms = (f"{first}.{last}", f"{first}_{last}{number}", f"{first}{number}", f"{first[0]}{last}")
    return random.choice(forms).replace(" ", "").lower()


def _user_agent(random: Random, _faker: Any) -> str:
    version = f"{random.randint(90, 130)}.0.{random.randint(1000, 6999)}.{random.randint(10, 199)}"
    return f"Mozilla/5.0 ({random.choice(_SYSTEMS)}) Chrome/{version} Safari/537.36"


def _coordinate(random: Random, _faker: Any) -> str:
    return f"[{random.uniform(-80, 80):.4f},{random.uniform(-170, 170):.4f}]"


def _height(random: Random, _faker: Any) -> str:
    return random.choice((f"{random.randint(150, 199)} cm", f"{random.randint(4, 6)}' 7\""))


def _middle_name(random: Random, faker: Any) -> str:
    return random.choice((str(faker.first_name()), f"{random.choice(string.ascii_uppercase)}."))


def _age(random: Random, _faker: Any) -> str:
    years = random.randint(18, 90)
    return random.choice((f"{years}", f"{years} years old"))


def _building(random: Random, _faker: Any) -> str:
    return str(random.randint(1, 9999))


def _masked(random: Random, _faker: Any) -> str:
    return f"{_digits(random, 4)}{'*' * 8}{_digits(random, 4)}"


def _state(random: Random, _faker: Any) -> str:
    return random.choice(_STATES)


_STATES = (
    *("Texas", "Ohio", "Maine", "Bavaria", "Saxony", "Oregon", "Utah", "New York", "Nevada"),
    *("Queensland", "Victoria", "Ontario", "Quebec", "Vermont", "Kerala", "Hesse", "Georgia"),
)
_UPPER_DIGITS = "".join(sorted(set(string.ascii_uppercase + string.digits) - set("IOQ")))
_PASSWORD = string.ascii_letters + string.digits + "!#%*+_"

VALUES: Mapping[str, Value] = MappingProxyType(
    {
        "ACCOUNTNAME": _any_of("Savings Account", "Checking Account", "Home Loan Account"),
        "ACCOUNTNUMBER": _number(8),
        "AGE": _age,
        "AMOUNT": _amount,
        "BIC": _drawn(string.ascii_uppercase, 8),
        "BITCOINADDRESS": _drawn(_BASE58, 32, prefixes=("1", "3")),
        "BUILDINGNUMBER": _building,
        "CITY": _faked("city"),
        "COMPANYNAME": _faked("company"),
        "COUNTY": _any_of("Kent", "Essex", "Orange County", "Cork", "Devon", "Dade County"),
        "CREDITCARDCVV": _number(3),
        "CREDITCARDISSUER": _any_of("Visa", "Mastercard", "American Express", "Maestro", "JCB"),
        "CREDITCARDNUMBER": _card,
        "CURRENCY": _any_of("US Dollar", "Euro", "Yen", "Swiss Franc", "Pound Sterling"),
        "CURRENCYCODE": _any_of("USD", "EUR", "GBP", "JPY", "CHF", "INR", "SEK", "BRL"),
        "CURRENCYNAME": _any_of("dollars", "euros", "Swiss francs", "rupees", "pesos", "kronor"),
        "CURRENCYSYMBOL": _any_of("$", "€", "£", "¥", "₹"),
        "DATE": _date,
        "DOB": _birthday,
        "EMAIL": _faked("email"),
        "ETHEREUMADDRESS": _drawn("0123456789abcdef", 40, prefixes=("0x",)),
        "EYECOLOR": _any_of("blue", "brown", "green", "hazel", "grey"),
        "FIRSTNAME": _faked("first_name"),
        "GENDER": _any_of("female", "male", "non-binary", "trans woman", "trans man"),
        "HEIGHT": _height,
        "IBAN": _faked("iban"),
        "IP": _faked("ipv4_public"),
        "IPV4": _faked("ipv4"),
        "IPV6": _faked("ipv6"),
        "JOBAREA": _any_of("Marketing", "Accounts", "Research", "Security", "Quality", "Legal"),
        "JOBTITLE": _faked("job"),
        "JOBTYPE": _any_of("Manager", "Engineer", "Analyst", "Consultant", "Clerk", "Designer"),
        "LANGUAGE": _any_of("English", "German", "Hindi", "Turkish", "Polish", "Arabic", "Tamil"),
        "LASTNAME": _faked("last_name"),
        "LITECOINADDRESS": _drawn(_BASE58, 32, prefixes=("L", "M")),
        "MAC": _faked("mac_address"),
        "MASKEDNUMBER": _masked,
        "MIDDLENAME": _middle_name,
        "NEARBYGPSCOORDINATE": _coordinate,
        "ORDINALDIRECTION": _any_of("north", "south-west", "east", "north-east", "west"),
        "PASSWORD": _drawn(_PASSWORD, 12),
        "PHONEIMEI": _imei,
        "PHONENUMBER": _phone,
        "PIN": _number(4),
        "PREFIX": _any_of("Mr.", "Mrs.", "Ms.", "Dr.", "Prof."),
        "SECONDARYADDRESS": _any_of("Apt. 12", "Suite 340", "Flat 3", "Apt. 7B", "Unit 19"),
        "SEX": _any_of("female", "male", "F", "M"),
        "SSN": _faked("ssn"),
        "STATE": _state,
        "STREET": _faked("street_name"),
        "TIME": _time,
        "URL": _faked("url"),
        "USERAGENT": _user_agent,
        "USERNAME": _username,
        "VEHICLEVIN": _drawn(_UPPER_DIGITS, 17),
        "VEHICLEVRM": _faked("license_plate"),
        "ZIPCODE": _faked("postcode"),
    }
)
