"""Names the base rules know by heart: countries, nationalities, weekdays, kinds of companies."""

import re

_COUNTRIES = (
    "Afghanistan Albania Algeria Andorra Angola Argentina Armenia Australia Austria Azerbaijan"
    " Bahrain Bangladesh Belarus Belgium Belize Benin Bolivia Bosnia Botswana Brazil Brunei"
    " Bulgaria Cambodia Cameroon Canada Chad Chile China Colombia Croatia Cuba Cyprus Denmark"
    " Ecuador Egypt Estonia Ethiopia Fiji Finland France Gabon Georgia Germany Ghana Greece"
    " Greenland Guatemala Haiti Honduras Hungary Iceland India Indonesia Iran Iraq Ireland Israel"
    " Italy Jamaica Japan Jordan Kazakhstan Kenya Kuwait Laos Latvia Lebanon Liberia Libya"
    " Lithuania Luxembourg Malaysia Malta Mexico Moldova Mongolia Morocco Mozambique Namibia Nepal"
    " Netherlands Nicaragua Niger Nigeria Norway Oman Pakistan Panama Paraguay Peru Philippines"
    " Poland Portugal Qatar Romania Russia Rwanda Senegal Serbia Singapore Slovakia Slovenia"
    " Somalia Spain Sudan Sweden Switzerland Syria Taiwan Tanzania Thailand Tunisia Turkey Uganda"
    " Ukraine Uruguay Venezuela Vietnam Yemen Zambia Zimbabwe"
)
_COUNTRIES_OF_TWO_WORDS = (
    "United Kingdom|United States|South Africa|South Korea|North Korea|New Zealand|Saudi Arabia"
    "|Sri Lanka|Costa Rica|El Salvador|Czech Republic|Hong Kong|Puerto Rico|USA|UK"
)
_IRREGULAR_NATIONALITIES = (
    "Afghan|German|French|Dutch|Greek|Czech|Swiss|Welsh|Israeli|Pakistani|Iraqi|Thai|Filipino"
)
COUNTRY = re.compile(
    rf"\b(?:{_COUNTRIES_OF_TWO_WORDS}|{'|'.join(_COUNTRIES.split())})\b", re.IGNORECASE
)
# Most nationalities end alike, and so do a few names.
NATIONALITY = re.compile(
    rf"\b(?:{_IRREGULAR_NATIONALITIES}|[A-Z][a-z]{{2,}}(?:ian|ean|ican|ese|ish|lander))s?\b"
)
WEEKDAY = re.compile(r"\b(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day\b", re.IGNORECASE)
COMPANY = re.compile(
    r"\b(?:[A-Z&][\w'-]*,? ){1,4}(?:Inc|Ltd|LLC|Llc|GmbH|Corp|PLC|Group|Bank|Company|and Sons"
    r"|Associates|Partners|Solutions|Systems)\b\.?"
)
