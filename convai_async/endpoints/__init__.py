"""Every request that the client can send, as values: one function for each endpoint.

A `Request` says what to send and how to read the reply; nothing here does any I/O. Send one with
``client.send_raw(request)`` to get at status, headers and exact bytes beside the typed result.
"""

from convai_async.endpoints._agents import *
from convai_async.endpoints._conversations import *
from convai_async.endpoints._custom import *
from convai_async.endpoints._filters import *
from convai_async.endpoints._messages import *
from convai_async.endpoints._page import *
from convai_async.endpoints._query import *
from convai_async.endpoints._request import *
from convai_async.endpoints._tags import *
