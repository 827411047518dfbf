"""What clients of servers on this machine need in place of the world's certificates."""

import ssl

# Reading those costs each client 20 ms, and nothing here speaks TLS.
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
