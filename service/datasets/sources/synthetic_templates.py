"""Sentences of the synthetic source: labels in square brackets, plain words in braces."""

SENTENCES = tuple(
    """\
[FIRSTNAME] [LASTNAME] asked for a copy of the {topic} on [DATE].
Please send the {adjective} {topic} to [EMAIL] before [DATE].
[FIRSTNAME], could you call me back on [PHONENUMBER] after [TIME]?
The phone with IMEI [PHONEIMEI] was reported stolen in [CITY].
A login from [IPV4] was seen for the user [USERNAME] at [TIME].
We charged [CURRENCYSYMBOL][AMOUNT] to the card [CREDITCARDNUMBER] on [DATE].
Our new [JOBTITLE], [FIRSTNAME] [LASTNAME], will lead the {topic} in [CITY].
Transfer [AMOUNT] [CURRENCYNAME] to the IBAN [IBAN] by [DATE].
My address is [BUILDINGNUMBER] [STREET], [CITY] [ZIPCODE].
As a [JOBTITLE] you need to sign the {topic} at [URL].
[PREFIX] [LASTNAME] lives at [BUILDINGNUMBER] [STREET] and answers on [PHONENUMBER].
The server at [IPV4] refused the request of [EMAIL] because of a {adjective} {topic}.
The [JOBAREA] team asked [FIRSTNAME] to look at the {adjective} {topic} from [COMPANYNAME].
[COMPANYNAME] hired [FIRSTNAME] [LASTNAME] as [JOBTITLE] for [CURRENCYSYMBOL][AMOUNT] a year.
Username: [USERNAME], password: [PASSWORD], portal: [URL]
The social security number [SSN] belongs to [FIRSTNAME] [LASTNAME], born on [DOB].
Patient [FIRSTNAME] [LASTNAME] (born [DOB]) was seen by [PREFIX] [LASTNAME] at [TIME].
To book a {topic}, visit [URL] or write to [EMAIL].
The vehicle [VEHICLEVIN] with the plate [VEHICLEVRM] is registered in [CITY].
Send [AMOUNT] in bitcoin to [BITCOINADDRESS], wrote [USERNAME].
I saw your profile at [URL]; we are looking for a [JOBTITLE] near [CITY].
Account [ACCOUNTNUMBER] ([ACCOUNTNAME]) shows a balance of [CURRENCYSYMBOL][AMOUNT].
The printer with the MAC address [MAC] went offline at [TIME].
The {topic} for [FIRSTNAME] begins on [DATE] at [TIME] in [STREET] [BUILDINGNUMBER].
Could [FIRSTNAME] and [FIRSTNAME] meet [PREFIX] [LASTNAME] in [CITY] on [DATE]?
To verify you we need the card number [CREDITCARDNUMBER] and the code [CREDITCARDCVV].
In [STATE] a [JOBTITLE] earns about [AMOUNT] [CURRENCYNAME] a year.
The [JOBTITLE] wrote to [EMAIL] about the {topic} at [COMPANYNAME].
Ship the {topic} to [FIRSTNAME] [LASTNAME], [STREET] [BUILDINGNUMBER], [ZIPCODE] [CITY].
I am [AGE], [GENDER], and I work as a [JOBTITLE] for [COMPANYNAME].
[USERNAME] at [IPV4] wrote: 'reach me at [EMAIL] or [PHONENUMBER]'.
The file says that [FIRSTNAME] has [EYECOLOR] eyes and is [HEIGHT] tall.
Please pay [CURRENCYSYMBOL][AMOUNT] with your [CREDITCARDISSUER] card at [URL].
A deposit of [AMOUNT] [CURRENCYNAME] arrived at [TIME] from [IBAN].
Minutes of [DATE]: [FIRSTNAME], [FIRSTNAME] and [PREFIX] [LASTNAME] discussed the {topic}.
[FIRSTNAME] [LASTNAME], [AGE], of [CITY], was elected chair of [COMPANYNAME].
A link to reset your password went to [EMAIL] from [IPV6] at [TIME].
Your {topic} was given to [FIRSTNAME] in [JOBAREA]; call [PHONENUMBER] for news.
The coordinates [NEARBYGPSCOORDINATE] match the home of [FIRSTNAME] [LASTNAME].
Is [PHONEIMEI] the IMEI of the phone that [USERNAME] uses?
We noticed a payment of [AMOUNT] from [BITCOINADDRESS]; please check with [JOBAREA].
Parents of [FIRSTNAME] are invited on [DATE] to talk to [PREFIX] [LASTNAME].
Students register at [URL] with the number [SSN] no later than [DATE].
The house at [STREET] [BUILDINGNUMBER] in [CITY] is being renovated by [COMPANYNAME].
[FIRSTNAME] [MIDDLENAME] [LASTNAME] signed the {topic} at [TIME] as the witness.
[FIRSTNAME] [MIDDLENAME] [LASTNAME] holds the [CREDITCARDISSUER] card [CREDITCARDNUMBER].
The PIN [PIN] was entered wrongly three times on [DATE] near [STREET].
Ask our [JOBTITLE] on [PHONENUMBER], and quote the account [ACCOUNTNUMBER].
Look into the litecoin wallet [LITECOINADDRESS] for the missing [CURRENCYSYMBOL][AMOUNT].
The ethereum address [ETHEREUMADDRESS] received [AMOUNT] for the {topic}.
Bank details: BIC [BIC], IBAN [IBAN], account holder [FIRSTNAME] [LASTNAME].
The request came from [USERAGENT] at [IPV6].
Turn [ORDINALDIRECTION] at [STREET], then look for the house number [BUILDINGNUMBER].
The card ending in [MASKEDNUMBER] was blocked after a {adjective} {topic}.
Interpreters for [LANGUAGE] are wanted in [COUNTY] from [DATE].
[FIRSTNAME] speaks [LANGUAGE] and works as [JOBTYPE] in [CITY].
All prices are in [CURRENCY]; the fee is [CURRENCYCODE] [AMOUNT].
The flat is at [STREET] [BUILDINGNUMBER], [SECONDARYADDRESS], [CITY].
The {adjective} {topic} in [COUNTY] is signed by [PREFIX] [FIRSTNAME] [LASTNAME].
Sex: [SEX]; date of birth: [DOB]; height: [HEIGHT]; eyes: [EYECOLOR].
Can somebody tell [FIRSTNAME] that the {topic} has moved to [TIME]?
I have been waiting for the {adjective} {topic} since [DATE], and nobody at [COMPANYNAME] answers.
Good news: [COMPANYNAME] approved the {topic}, and [FIRSTNAME] signs on [DATE].
[USERNAME] changed the password to [PASSWORD] at [TIME].
The parcel for [PREFIX] [LASTNAME] lies at the post office in [ZIPCODE] [CITY].
Who is [FIRSTNAME] [LASTNAME], and why was the {topic} sent to [EMAIL]?
The tenant of [SECONDARYADDRESS], [STREET] [BUILDINGNUMBER], has not paid [CURRENCYSYMBOL][AMOUNT].
Traffic from [IP] is blocked until [DATE].
My insurance number is [SSN], and I was born in [STATE] on [DOB].
The driver of the car [VEHICLEVRM] left his number: [PHONENUMBER].
Nobody in [JOBAREA] knows who ordered the {adjective} {topic}.
A refund of [CURRENCYCODE] [AMOUNT] goes back to the card [MASKEDNUMBER] within a week.
[FIRSTNAME] turned [AGE] on [DATE] and wants to change the {topic}.
The taxi picks [PREFIX] [LASTNAME] up at [TIME], in front of [BUILDINGNUMBER] [STREET].
Our branch in [CITY], [STATE], opens at [TIME].
The {topic} lists [EMAIL] as the contact and [IPV4] as the last address.
Do you still use [EMAIL], or shall I write to [USERNAME]?
She gave her name as [FIRSTNAME], her age as [AGE] and her eyes as [EYECOLOR].
The signature on the {topic} is not that of [FIRSTNAME] [MIDDLENAME] [LASTNAME].
We found [NEARBYGPSCOORDINATE] in the photo that [USERNAME] uploaded at [TIME].
The router [MAC] was given the address [IPV6] for one day.
Our [JOBAREA] department has a {adjective} opening for a [JOBTYPE] in [STATE].
For the {topic} you need your PIN, [PIN], and the account number [ACCOUNTNUMBER].
The last payment in [CURRENCYNAME] was made at [TIME] on [DATE].
[PREFIX] [FIRSTNAME] [LASTNAME] is on leave; write to [EMAIL] about the {topic}.
There is a {adjective} spelling in the name: it is [LASTNAME], not [LASTNAME].
[FIRSTNAME] lost a wallet with a [CREDITCARDISSUER] card in it near [STREET].
The wallets [BITCOINADDRESS] and [LITECOINADDRESS] belong to the same person.
Voters of [COUNTY] find the {topic} at [URL].
The [ACCOUNTNAME] of [FIRSTNAME] [LASTNAME] was opened in [CITY] with [CURRENCYSYMBOL][AMOUNT].
Please correct the {topic}: the street is [STREET], the house number [BUILDINGNUMBER].
The witness is [HEIGHT] tall, about [AGE], and speaks [LANGUAGE].
The technician from [COMPANYNAME] comes on [DATE] between [TIME] and [TIME].
For questions about the {adjective} {topic}, ask for [FIRSTNAME] on [PHONENUMBER].
The browser said [USERAGENT], the account was [USERNAME].
If the {topic} is late again, [PREFIX] [LASTNAME] will leave [COMPANYNAME].
My sister [FIRSTNAME] moved from [CITY] to [CITY] in order to work as a [JOBTITLE].
[AMOUNT] [CURRENCYCODE] were sent from [IBAN] with the note '{topic}'.
The contract names [COMPANYNAME], [STREET] [BUILDINGNUMBER], [ZIPCODE] [CITY], as the seller.
The gate code for [BUILDINGNUMBER] [STREET] is [PIN]; do not write it down.
A [SEX] patient of [AGE] was moved from [CITY] on [DATE].
Please spell your surname: is it [LASTNAME] or [LASTNAME]?
The camera filmed a car with the plate [VEHICLEVRM] at [TIME].
Scholarships in [STATE] are for people who speak [LANGUAGE].
I paid [CURRENCYSYMBOL][AMOUNT] for the {topic} and got a {adjective} one.
The next {topic} takes place in [CITY], on [DATE], and costs [AMOUNT] [CURRENCYNAME].
The chassis number [VEHICLEVIN] does not fit the {topic}.
Write '[FIRSTNAME] [LASTNAME], [JOBTITLE]' below the {topic}.
Nothing in the {adjective} {topic} names a person.
The weather was fine, the {topic} was {adjective}, and everybody went home early.
How long does a {adjective} {topic} take as a rule?
Please read the {topic} twice before you sign anything.
""".splitlines()
)

CONTINUATIONS = tuple(
    """\
Please write to [EMAIL] about the {adjective} {topic}.
We need the {adjective} {topic} by [DATE].
The {topic} was sent to [STREET] [BUILDINGNUMBER], [CITY].
Your {adjective} {topic} costs [CURRENCYSYMBOL][AMOUNT].
[FIRSTNAME] will bring the {topic} at [TIME].
See [URL] for the {adjective} {topic}.
The {topic} is handled by our [JOBTITLE].
Call [PHONENUMBER] about the {topic}.
[LASTNAME] and [FIRSTNAME] prepared the {adjective} {topic} for [COMPANYNAME].
The {topic} came from the address [IPV4].
Log in as [USERNAME] to read the {adjective} {topic}.
Do not share the {topic} with anyone in [CITY] or [STATE].
The {adjective} {topic} of [PREFIX] [LASTNAME] is overdue since [DATE].
A {topic} worth [AMOUNT] [CURRENCYNAME] remains open.
Nothing else is needed for the {adjective} {topic}.
May I ask why the {topic} is {adjective}?
The [JOBAREA] department keeps the {adjective} {topic}.
The {topic} is also known to [FIRSTNAME] [LASTNAME].
All of it concerns [COMPANYNAME] and its {topic}.
It was noted in the {adjective} {topic} at [TIME].
The {topic} was translated into [LANGUAGE].
The number on the {topic} is [ACCOUNTNUMBER].
Pay it to [IBAN].
This is the third {adjective} {topic} this year.
Keep the {topic} until [DATE].
""".splitlines()
)

OPENINGS = (
    "Good morning, ",
    "Hello team, ",
    "As discussed: ",
    "Quick update. ",
    "URGENT: ",
    "To whom it may concern: ",
    "Hello [FIRSTNAME], ",
    "Dear [PREFIX] [LASTNAME], ",
    "Note from [CITY]: ",
    "[FIRSTNAME] wrote: ",
    "Re: account [ACCOUNTNUMBER]. ",
    "On [DATE] the following was logged. ",
)

CLOSINGS = (
    " Thank you.",
    " Many thanks in advance!",
    " Regards, [FIRSTNAME] [LASTNAME]",
    " Best, [FIRSTNAME]",
    " Questions? Write to [EMAIL].",
    " Call [PHONENUMBER] if in doubt.",
    " Kind regards, [PREFIX] [LASTNAME], [JOBTITLE]",
    " Sent from [IPV4].",
)

WORDS = {
    "adjective": tuple(
        """\
annual
new
final
detailed
medical
financial
missing
quarterly
confidential
digital
updated
legal
regional
internal
incomplete
signed
corrected
second
blank
""".splitlines()
    ),
    "topic": tuple(
        """\
report
survey
invoice
contract
training session
assessment
business plan
application
order
agreement
medical record
registration form
budget
driving licence
certificate
therapy session
exam
audit
ticket
manual
subscription
bank statement
insurance claim
court notice
delivery note
visa
tax return
membership
school report
rental agreement
safety check
job offer
complaint
research proposal
prescription
""".splitlines()
    ),
}
