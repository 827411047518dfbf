"""Requests to servers on this machine, without the world's certificates.

Reading those costs each client 20 ms of computing, and nothing here speaks TLS.
"""

import ssl
from functools import partial

import httpx2

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

delete = partial(httpx2.delete, verify=NO_TLS)
get = partial(httpx2.get, verify=NO_TLS)
patch = partial(httpx2.patch, verify=NO_TLS)
post = partial(httpx2.post, verify=NO_TLS)
put = partial(httpx2.put, verify=NO_TLS)
request = partial(httpx2.request, verify=NO_TLS)
stream = partial(httpx2.stream, verify=NO_TLS)
Client = partial(httpx2.Client, verify=NO_TLS)
