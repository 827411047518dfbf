"""Word lists of the base rules: opinions, countries, nationalities, weekdays, company names."""

import re

_POSITIVE = (
    "good great love loved loves loving lovely best happy happier happiest happily awesome nice"
    " nicely thanks thank thankful thanking grateful amazing amazed fun excellent beautiful"
    " beautifully cool sweet sweetest wonderful enjoy enjoyed enjoying enjoys glad better perfect"
    " perfectly yay hope hopefully funny funniest excited exciting excitement haha hahaha lol smart"
    " warm moving brilliant hilarious touching delightful engaging powerful fresh charming"
    " entertaining compelling rich solid cute cutest adorable gorgeous pretty handsome congrats"
    " congratulations win wins won winner winning proud pleased pleasure fantastic fab fabulous"
    " super superb terrific incredible outstanding magnificent marvelous splendid delicious yummy"
    " tasty favorite favourite interesting inspiring inspired helpful kind kindness friendly"
    " generous recommend recommended welcome wow woohoo woot hooray sunny relaxing relaxed comfy"
    " cozy peaceful luck lucky bless blessed blessing joy joyful cheer cheers cheerful smile"
    " smiles smiling smiled laugh laughing laughed hug hugs xoxo xx celebrate celebrating success"
    " successful easy impressive impressed stunning refreshing thoughtful worth worthy genius"
    " likes liked bright brighter fave sweetie sweetheart rocks rocked rock kudos yum ftw"
)
_NEGATIVE = (
    "bad badly sad sadly sadness sadder hate hated hates hating worst worse sorry miss missing"
    " missed misses sucks suck sucked terrible terribly awful boring bored tired sick hurt hurts"
    " hurting lost lose losing loss loses fail failed fails failure wrong ugh argh grr angry"
    " anger mad poor poorly dull annoying annoyed annoys stupid dumb idiot cry crying cries cried"
    " bullied broke broken dead death die died dies dying headache unfortunately alone lonely mess"
    " messed flat lacks tedious predictable pretentious silly bland empty neither nothing problem"
    " problems disappointed disappointing disappointment disappoints horrible horribly nasty ugly"
    " disgusting gross pain painful painfully ache aching sore ill fever flu cough cold suffering"
    " upset upsetting upsets worry worried worries scared scary afraid fear nervous stress stressed"
    " stressful depressed depressing depression unhappy miserable useless worthless pointless waste"
    " wasted bother bothered trouble crap crappy damn hell rubbish trash lame pathetic weak slow"
    " fed sucky exhausted exhausting jealous regret ruin ruined ruins unfair cancelled canceled"
    " stuck stolen stole crash crashed cruel evil rude hungry starving bummed bummer gutted sigh"
    " heartbroken freezing frustrated frustrating frustration confused confusing difficult awkward"
    " weird embarrassing embarrassed guilty shame dread dreading bleh meh"
)
POSITIVE, NEGATIVE = frozenset(_POSITIVE.split()), frozenset(_NEGATIVE.split())
NEGATIONS = frozenset(("not", "no", "never", "without", "hardly", "cannot"))


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
